import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { readCodeIndex } from './code-index.js';
import { CATALOGUE_FILE, type Dataset, LATER_ROWS_FILE, ROWS_FILE, type Row } from './dataset.js';
import { holdsHistories, loadHistories } from './history-files.js';
import { ITEM_ID, readJsonObject, readText } from './json-object.js';

export interface DatasetOptions {
  /** File with codes of the items, in the `index.json` form; default that of the folder, if it has one. */
  codes?: string;
}

/**
 * Reads a data folder. It is in the format of the BEAR authors' published data: `id2name4Rec.json`, an object from item id to
 * title, and `train.csv`, if need be `test_5000.csv`, with the columns user_id, item_ids ("[a, b, ..., z]", the last is the
 * target) and timestamp. Or it holds histories and codes, as `loadHistories` reads them.
 *
 * @throws Error that names the file, and the line where it is one line
 */
export function loadDataset(folder: string, { codes }: DatasetOptions = {}): Dataset {
  const catalogue = join(folder, CATALOGUE_FILE);
  if (!existsSync(catalogue) && holdsHistories(folder)) return loadHistories(folder, codes);
  const titles = readTitles(catalogue);
  const rows = readRows(join(folder, ROWS_FILE), titles);
  const laterFile = join(folder, LATER_ROWS_FILE);
  return {
    description: folder,
    titles,
    rows,
    laterRows: existsSync(laterFile) ? readRows(laterFile, titles) : [],
    ...(codes !== undefined && { codes: readCodeIndex(codes, titles.keys()) }),
  };
}

const COLUMNS = ['user_id', 'item_ids', 'timestamp'];

function readTitles(file: string): Map<number, string> {
  const { entries, fail } = readJsonObject(file, 'item id to title', 'item');
  return new Map(
    entries.map(([item, title]) => {
      if (typeof title !== 'string') return fail(`the title of item ${item} is not a string`, `${item}`);
      return [item, title];
    }),
  );
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
