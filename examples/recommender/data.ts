import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';

/** One training or test example: what a user had before, oldest first, and what came next. */
export interface Row {
  user: number;
  history: number[];
  target: number;
}

export interface Dataset {
  /** What the numbers were computed on, for the reader of the output. */
  description: string;
  titles: Map<number, string>;
  rows: Row[];
}

export const CATALOGUE_FILE = 'id2name4Rec.json';
export const ROWS_FILE = 'train.csv';

/**
 * Reads a folder in the format of the BEAR authors' published data: `id2name4Rec.json`, an object from item id to title, and
 * `train.csv` with the columns user_id, item_ids ("[a, b, ..., z]", the last is the target) and timestamp.
 *
 * @throws Error that names the file, and the line where it is one line
 */
export function loadDataset(folder: string): Dataset {
  const titles = readTitles(join(folder, CATALOGUE_FILE));
  const rows = readRows(join(folder, ROWS_FILE), titles);
  return { description: folder, titles, rows };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

function readTitles(file: string): Map<number, string> {
  let content: unknown;
  try {
    content = JSON.parse(readText(file));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new Error(`${file}: not JSON (${cause.message})`, { cause });
    throw cause;
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Error(`${file}: expected an object from item id to title`);
  }
  const titles = new Map<number, string>();
  for (const [key, title] of Object.entries(content)) {
    if (!/^\d+$/.test(key)) throw new Error(`${file}: expected whole numbers as item ids, got ${JSON.stringify(key)}`);
    if (typeof title !== 'string') throw new Error(`${file}: the title of item ${key} is not a string`);
    titles.set(Number(key), title);
  }
  if (titles.size === 0) throw new Error(`${file}: no items`);
  return titles;
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
  for (const column of ['user_id', 'item_ids']) {
    if (record[column] === undefined) throw new Error(`there is no column ${column}`);
  }
  const user = Number(record.user_id);
  if (!Number.isInteger(user)) throw new Error(`user_id is not a whole number: ${record.user_id}`);
  if (!/^\[\s*\d+(\s*,\s*\d+)+\s*\]$/.test(record.item_ids as string)) {
    throw new Error(`item_ids is not a list of two or more item ids: ${record.item_ids}`);
  }
  const items: number[] = JSON.parse(record.item_ids as string);
  const unknown = items.find((item) => !titles.has(item));
  if (unknown !== undefined) throw new Error(`item ${unknown} is not in ${CATALOGUE_FILE}`);
  return { user, history: items.slice(0, -1), target: items[items.length - 1] as number };
}
