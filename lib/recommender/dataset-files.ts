import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { CATALOGUE_FILE, type Dataset, LATER_ROWS_FILE, ROWS_FILE, type Row } from './dataset.js';

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

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

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
    if (!/^\d{1,9}$/.test(key)) fail(`expected whole numbers as item ids, got ${JSON.stringify(key)}`, key);
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
    records = parse(readText(file), { columns: true, info: true, skip_empty_lines: true, bom: true });
  } catch (cause) {
    // csv-parse names the line in its message.
    if ((cause as { code?: string }).code?.startsWith('CSV_')) {
      throw new Error(`${file}: ${(cause as Error).message}`, { cause });
    }
    throw cause;
  }
  if (records.length === 0) throw new Error(`${file}: no rows`);
  return records.map(({ info, record }) => {
    try {
      return parseRow(record, titles);
    } catch (cause) {
      throw new Error(`${file}, line ${info.lines}: ${(cause as Error).message}`, { cause });
    }
  });
}

function parseRow(record: Record<string, string>, titles: ReadonlyMap<number, string>): Row {
  for (const column of ['user_id', 'item_ids', 'timestamp']) {
    if (record[column] === undefined) throw new Error(`there is no column ${column}`);
  }
  const user = Number(record.user_id);
  if (!Number.isInteger(user)) throw new Error(`user_id is not a whole number: ${record.user_id}`);
  if (!/^\[\s*\d{1,9}(\s*,\s*\d{1,9})+\s*\]$/.test(record.item_ids as string)) {
    throw new Error(`item_ids is not a list of two or more item ids: ${record.item_ids}`);
  }
  const items: number[] = JSON.parse(record.item_ids as string);
  const unknown = items.find((item) => !titles.has(item));
  if (unknown !== undefined) throw new Error(`item ${unknown} is not in ${CATALOGUE_FILE}`);
  const time = Number(record.timestamp);
  if (record.timestamp === '' || !Number.isFinite(time))
    throw new Error(`timestamp is not a number: ${record.timestamp}`);
  return { user, history: items.slice(0, -1), target: items[items.length - 1] as number, time };
}
