import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { CATALOGUE_FILE, type Dataset, LATER_ROWS_FILE, ROWS_FILE, type Row } from './dataset.js';
import { readRegularFile } from './regular-file.js';

/**
 * Reads a folder in the format of the BEAR authors' published data: `id2name4Rec.json`, an object from item id to title, and
 * `train.csv`, if need be `test_5000.csv`, with the columns user_id, item_ids ("[a, b, ..., z]", the last is the target) and
 * timestamp.
 *
 * @throws Error that names the file, and the line where it is one line
 */
export function loadDataset(folder: string): Dataset {
  const titles = readTitles(join(folder, CATALOGUE_FILE));
  const rows = readRows(join(folder, ROWS_FILE), titles);
  const laterFile = join(folder, LATER_ROWS_FILE);
  return { description: folder, titles, rows, laterRows: existsSync(laterFile) ? readRows(laterFile, titles) : [] };
}

/** As text, without the byte order mark that some editors write. */
function readText(file: string): string {
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

const ITEM_ID = /^(0|[1-9]\d{0,8})$/;
const COLUMNS = ['user_id', 'item_ids', 'timestamp'];

function readTitles(file: string): Map<number, string> {
  const text = readText(file);
  const fail = (what: string, place?: string | number): never => {
    throw new Error(`${file}${lineOf(text, place)}: ${what}`);
  };
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    const { message } = cause as SyntaxError;
    return fail(`not JSON (${message})`, Number(/position (\d+)/.exec(message)?.[1] ?? text.length));
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    return fail('expected an object from item id to title');
  }
  const titles = new Map<number, string>();
  for (const [key, title] of Object.entries(content)) {
    // One spelling for each id: "7" and "07" would be one item with two titles.
    if (!ITEM_ID.test(key)) fail(`expected whole numbers as item ids, got ${JSON.stringify(key)}`, key);
    if (typeof title !== 'string') fail(`the title of item ${key} is not a string`, key);
    titles.set(Number(key), title);
  }
  if (titles.size === 0) fail('no items');
  return titles;
}

/** `, line n`, of a position in the text or of a key of its JSON object. */
function lineOf(text: string, place: string | number | undefined): string {
  if (place === undefined) return '';
  const position = typeof place === 'number' ? place : text.indexOf(`${JSON.stringify(place)}`);
  return `, line ${text.slice(0, Math.max(0, position)).split('\n').length}`;
}

function readRows(file: string, titles: ReadonlyMap<number, string>): Row[] {
  let records: { info: { lines: number }; record: Record<string, string> }[];
  try {
    records = parse(readText(file), { columns: true, info: true, skip_empty_lines: true });
  } catch (cause) {
    // csv-parse names the line in its message.
    if ((cause as { code?: string }).code?.startsWith('CSV_')) {
      throw new Error(`${file}: ${(cause as Error).message}`, { cause });
    }
    throw cause;
  }
  if (records.length === 0) throw new Error(`${file}: no rows`);
  const missing = COLUMNS.find((column) => records[0]?.record[column] === undefined);
  if (missing !== undefined) throw new Error(`${file}, line 1: there is no column ${missing}`);
  return records.map(({ info, record }) => {
    try {
      return parseRow(record, titles);
    } catch (cause) {
      throw new Error(`${file}, line ${info.lines}: ${(cause as Error).message}`, { cause });
    }
  });
}

function parseRow(record: Record<string, string>, titles: ReadonlyMap<number, string>): Row {
  const user = numberIn(record, 'user_id', Number.isInteger, 'a whole number');
  const time = numberIn(record, 'timestamp', Number.isFinite, 'a number');
  const items = itemsIn(record.item_ids as string);
  const unknown = items.find((item) => !titles.has(item));
  if (unknown !== undefined) throw new Error(`item ${unknown} is not in ${CATALOGUE_FILE}`);
  return { user, history: items.slice(0, -1), target: items[items.length - 1] as number, time };
}

function numberIn(
  record: Record<string, string>,
  column: string,
  isValid: (value: number) => boolean,
  expected: string,
): number {
  const text = record[column] as string;
  // Number('') is 0.
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!isValid(value)) throw new Error(`${column} is not ${expected}: ${JSON.stringify(text)}`);
  return value;
}

function itemsIn(text: string): number[] {
  const [, list = ''] = /^\[(.*)\]$/.exec(text.trim()) ?? [];
  const ids = list.split(',').map((id) => id.trim());
  if (ids.length < 2 || !ids.every((id) => ITEM_ID.test(id))) {
    throw new Error(`item_ids is not a list of two or more item ids: ${text}`);
  }
  return ids.map(Number);
}
