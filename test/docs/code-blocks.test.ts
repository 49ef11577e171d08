// Whoever copies a code block from a document has something that compiles, strictly, and runs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CodeBlock, codeBlocks, documents, repositoryRoot } from './code-blocks';

// In node_modules, so that no other tool looks at them; the package's own name is known there.
const folder = join(repositoryRoot, 'node_modules', '.cache', 'fused-bear-loss-documents');
const blocks = documents().flatMap(codeBlocks);
const nameOf = ({ file, line }: CodeBlock) => `${file.replace(/\W/g, '-')}-${line}.mts`;
const titled = (chosen: readonly CodeBlock[]) =>
  chosen.map((block) => ({ title: `${block.file}:${block.line}`, file: join(folder, nameOf(block)) }));

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const block of blocks) writeFileSync(join(folder, nameOf(block)), block.code);
});

it('the documents have code blocks, and most are run', () => {
  expect(blocks.length).toBeGreaterThan(5);
  expect(blocks.filter(({ isRun }) => isRun).length).toBeGreaterThan(blocks.length / 2);
});

it('every code block compiles strictly', () => {
  const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2022',
  ];
  const files = titled(blocks.filter(({ isCompiled }) => isCompiled)).map(({ file }) => file);
  const { stdout } = spawnSync(process.execPath, [tsc, ...options, '--types', 'node', ...files], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
});

it.each(titled(blocks.filter(({ isRun }) => isRun)))('$title runs', ({ file }) => {
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', file], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  // Its output tells why.
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
});
