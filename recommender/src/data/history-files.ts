import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readCodeIndex } from './code-index.js';
import type { Dataset, Row } from './dataset.js';
import { readJsonObject } from './json-object.js';

/** Most items of a history: those before them are left out, as the data's own protocol has it. */
const HISTORY_LENGTH = 20;

const HISTORIES = /^(.+)\.inter\.json$/;

export function holdsHistories(folder: string): boolean {
  return existsSync(folder) && namesOfHistories(folder).length > 0;
}

/**
 * Reads a folder as MiniOneRec and APAO publish their data: `NAME.inter.json`, an object from user to item ids in the order of
 * time; `NAME.index*.json`, the codes of the items; if need be `NAME.item.json`, an object from item id to an object with a
 * title. There are no times: that of a row is the place of its target, counted from the end of the user's history.
 *
 * @param codesFile in place of that of the folder
 * @throws Error that names the file, and the line where it is one line
 */
export function loadHistories(folder: string, codesFile = codesFileIn(folder)): Dataset {
  const name = onlyName(folder);
  const itemFile = join(folder, `${name}.item.json`);
  const given = existsSync(itemFile) ? readItemTitles(itemFile) : undefined;
  const codes = codesFile === undefined ? undefined : readCodeIndex(codesFile, given?.keys());
  const items = given ?? (codes && new Map([...codes.keys()].map((item) => [item, `item ${item}`])));
  if (!items) throw new Error(`${folder}: neither ${name}.item.json nor ${name}.index.json says which items there are`);
  return {
    description: folder,
    titles: items,
    rows: readHistories(join(folder, `${name}.inter.json`), items),
    laterRows: [],
    isUntimed: true,
    ...(codes && { codes }),
    ...(!given && { isUntitled: true as const }),
  };
}

function namesOfHistories(folder: string): string[] {
  return readdirSync(folder).flatMap((file) => HISTORIES.exec(file)?.[1] ?? []);
}

function onlyName(folder: string): string {
  const [name, ...others] = namesOfHistories(folder);
  if (name === undefined || others.length > 0) {
    throw new Error(`${folder}: expected one file NAME.inter.json, got ${[name, ...others].join(', ')}`);
  }
  return name;
}

function codesFileIn(folder: string): string | undefined {
  const name = onlyName(folder);
  const files = readdirSync(folder).filter(
    (file) => file.startsWith(`${name}.index`) && /^\.index(\..+)?\.json$/.test(file.slice(name.length)),
  );
  if (files.length > 1)
    throw new Error(`${folder}: holds several files of codes (${files.join(', ')}): --codes names one`);
  return files[0] === undefined ? undefined : join(folder, files[0]);
}

function readItemTitles(file: string): Map<number, string> {
  const { entries, fail } = readJsonObject(file, 'item id to an object with a title', 'item');
  return new Map(
    entries.map(([item, value]) => {
      const title = (value as { title?: unknown } | null)?.title;
      if (typeof title !== 'string') return fail(`the title of item ${item} is not a string`, `${item}`);
      return [item, title];
    }),
  );
}

/** A row for each item of each history but the first. */
function readHistories(file: string, items: ReadonlyMap<number, unknown>): Row[] {
  const { entries, fail } = readJsonObject(file, 'user to a list of item ids', 'user');
  return entries.flatMap(([user, value]) => {
    const isHistory = Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger);
    if (!isHistory) return fail(`the history of user ${user} is not a list of item ids`, `${user}`);
    const history = value as number[];
    const unknown = history.find((item) => !items.has(item));
    if (unknown !== undefined) return fail(`item ${unknown} of user ${user} is not in the catalogue`, `${user}`);
    return history.slice(1).map((target, index) => ({
      user,
      history: history.slice(Math.max(0, index + 1 - HISTORY_LENGTH), index + 1),
      target,
      time: index + 2 - history.length,
      isNested: true as const,
    }));
  });
}
