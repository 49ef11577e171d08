// The code blocks of the documents. A block is compiled and run, unless a comment before it says otherwise:
//
//   <!-- setup: NAME -->              the block has what test/docs/setups/NAME.mts exports
//   <!-- compiled only: REASON -->    not run
//   <!-- not compiled: REASON -->     neither
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const repositoryRoot = resolve(__dirname, '../..');
const SETUPS = join(__dirname, 'setups');

export interface CodeBlock {
  /** Of the document, from the repository's root. */
  file: string;
  /** Of the block's first line. */
  line: number;
  /** With its setup. */
  code: string;
  isCompiled: boolean;
  isRun: boolean;
}

/** Every document of the repository. */
export function documents(): string[] {
  const inFolder = (folder: string) =>
    readdirSync(join(repositoryRoot, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  return ['.', 'docs', 'recommender', 'recommender/docs', 'benchmarks'].flatMap(inFolder);
}

/** Brings in all that a setup exports. */
function importOf(file: string): string {
  const exported = readFileSync(file, 'utf8').matchAll(
    /^export (?:async )?(?:const|function) (?:(\w+)|\[([^\]]+)\])|^export \{([^}]+)\}/gm,
  );
  const names = [...exported].map(([, name, tuple, listed]) => (name ?? tuple ?? listed ?? '').trim());
  return `import { ${names.join(', ')} } from ${JSON.stringify(file.replace(/\.mts$/, '.mjs'))};`;
}

const FENCE = /^```(\w*)$/;
const MARK = /^<!-- (setup|compiled only|not compiled): (.+) -->$/;
/** Of blocks that are no programs. */
const OTHER_LANGUAGES = ['sh', 'text', 'json'];

/** The blocks of JavaScript and TypeScript in a document. A block without a language is a mistake. */
export function codeBlocks(file: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = readFileSync(join(repositoryRoot, file), 'utf8').split('\n');
  let marks = new Map<string, string>();
  for (let index = 0; index < lines.length; index++) {
    const text = lines[index] as string;
    const [, kind, value] = MARK.exec(text) ?? [];
    if (kind !== undefined && value !== undefined) marks.set(kind, value);
    const [, language] = FENCE.exec(text) ?? [];
    if (language === undefined) {
      if (kind === undefined && text.trim() !== '') marks = new Map();
      continue;
    }
    const end = lines.indexOf('```', index + 1);
    if (end < 0) throw new Error(`${file}:${index + 1}: a code block that does not end`);
    if (language === 'js' || language === 'ts') {
      const setup = marks.get('setup');
      const before = setup === undefined ? '' : importOf(join(SETUPS, `${setup}.mts`));
      const isCompiled = !marks.has('not compiled');
      blocks.push({
        file,
        line: index + 2,
        code: `${before}\n${lines.slice(index + 1, end).join('\n')}\nexport {};\n`,
        isCompiled,
        isRun: isCompiled && !marks.has('compiled only'),
      });
    } else if (!OTHER_LANGUAGES.includes(language)) {
      throw new Error(`${file}:${index + 1}: a code block in ${language || 'no language'}`);
    }
    marks = new Map();
    index = end;
  }
  return blocks;
}
