import { readRegularFile } from './regular-file.js';

/** One spelling for each id: "7" and "07" would be one item twice. */
export const ITEM_ID = /^(0|[1-9]\d{0,8})$/;

/** As text, without the byte order mark that some editors write. */
export function readText(file: string): string {
  try {
    return readRegularFile(file, { followLinks: true })
      .toString()
      .replace(/^\uFEFF/, '');
  } catch (cause) {
    // A text has at most half a billion characters.
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_STRING_TOO_LONG') throw cause;
    throw new Error(`${file}: cannot be read (ERR_STRING_TOO_LONG)`, { cause });
  }
}

/** Throws an error that names the file, and the line of the key where there is one. */
export type Fail = (what: string, key?: string) => never;

/**
 * The entries of a file that holds one JSON object whose keys are ids.
 *
 * @param of what the object maps, for an error: `item id to title`
 * @param kind of the ids, for an error: `item`
 * @throws Error that names the file and the line
 */
export function readJsonObject(file: string, of: string, kind: string): { entries: [number, unknown][]; fail: Fail } {
  const text = readText(file);
  const lineOf = (position: number) => `, line ${text.slice(0, Math.max(0, position)).split('\n').length}`;
  const fail: Fail = (what, key) => {
    const place = key === undefined ? '' : lineOf(text.indexOf(JSON.stringify(key)));
    throw new Error(`${file}${place}: ${what}`);
  };
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    const { message } = cause as SyntaxError;
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
    throw new Error(`${file}${lineOf(position)}: not JSON (${message})`, { cause });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    return fail(`expected an object from ${of}`);
  }
  const entries = Object.entries(content).map(([key, value]): [number, unknown] => {
    if (!ITEM_ID.test(key)) fail(`expected whole numbers as ${kind} ids, got ${JSON.stringify(key)}`, key);
    return [Number(key), value];
  });
  if (entries.length === 0) fail(`no ${kind}s`);
  return { entries, fail };
}
