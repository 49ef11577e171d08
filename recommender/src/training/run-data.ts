import { createHash } from 'node:crypto';
import type { ItemCodes } from '../data/code-index.js';
import type { Row } from '../data/dataset.js';
import { FINITE, ITEM_ID, WHOLE } from '../ranges.js';
import { type RunHead, runHeadFields } from './run-state.js';
import { isTrue, listOf, numberIn, objectOf, pairOf, type Shape, ShapeError, text, unexpected } from './shape.js';
import type { Workbench } from './workbench.js';

/** What a trained model needs of its data: the titles or their codes, and the rows that its evidence is counted from. */
export interface RunData {
  titles: Map<number, string>;
  codes?: ItemCodes;
  train: Row[];
}

/** As JSON has it, with what run it is of. */
export function runDataText(head: RunHead, { dataset, split, codes }: Workbench): string {
  return JSON.stringify({
    ...head,
    titles: [...dataset.titles],
    ...(codes && { codes: [...codes] }),
    train: split.train,
  });
}

const item = numberIn(ITEM_ID);
const user: Shape<number> = (value, place) =>
  Number.isInteger(value) ? (value as number) : unexpected(place, 'a whole number', value);

const dataShape = objectOf<RunHead & { titles: [number, string][]; train: Row[] }, { codes: [number, number[]][] }>(
  {
    ...runHeadFields,
    titles: listOf(pairOf(item, text)),
    train: listOf(
      objectOf<Omit<Row, 'knownUntil' | 'isNested'>, { knownUntil: number; isNested: true }>(
        { user, history: listOf(item), target: item, time: numberIn(FINITE) },
        { knownUntil: numberIn(FINITE), isNested: isTrue },
      ),
    ),
  },
  { codes: listOf(pairOf(item, listOf(numberIn(WHOLE)))) },
);

/** @throws ShapeError for what `runDataText` would not write */
export function parseRunData(content: string): RunHead & RunData {
  const { titles: titlePairs, codes: codePairs, train, ...head } = dataShape(JSON.parse(content), '');
  const titles = uniqueKeys('titles', titlePairs);
  const unknown = (id: number) => !titles.has(id);
  train.forEach(({ history, target }, row) => {
    const stranger = [...history, target].find(unknown);
    if (stranger !== undefined) throw new ShapeError(`train[${row}]: item ${stranger} is not in titles`);
  });
  if (train.length === 0) throw new ShapeError('train: it has no rows');
  if ((codePairs !== undefined) !== (head.options.itemTokens !== 'titles')) {
    throw new ShapeError(`codes: they do not go with options.itemTokens ${head.options.itemTokens}`);
  }
  if (codePairs === undefined) return { ...head, titles, train };
  const codes = uniqueKeys('codes', codePairs);
  for (const item of titles.keys()) {
    if (!codes.get(item)?.length) throw new ShapeError(`codes: there is none for item ${item}`);
  }
  return { ...head, titles, codes, train };
}

function uniqueKeys<Key, Value>(name: string, pairs: readonly [Key, Value][]): Map<Key, Value> {
  const map = new Map(pairs);
  if (map.size !== pairs.length) throw new ShapeError(`${name}: one is there twice`);
  if (map.size === 0) throw new ShapeError(`${name}: there are none`);
  return map;
}

/** Of the titles, their codes, the vectors of their words and the rows of all parts: other data give another digest. */
export function digestOf({ dataset: { titles, wordVectors }, split, codes }: Workbench): string {
  const vectors = wordVectors && [...wordVectors].map(([word, vector]) => [word, ...vector]);
  return createHash('sha256')
    .update(JSON.stringify([[...titles], split, ...(codes ? [[...codes]] : []), ...(vectors ? [vectors] : [])]))
    .digest('hex');
}
