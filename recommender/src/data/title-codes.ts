import type { Row } from './dataset.js';
import { itemCodes } from './item-codes.js';
import { titleVectors } from './title-vectors.js';
import type { WordVectors } from './word-vectors.js';

export const ITEM_TOKENS = ['codes', 'titles', 'items'] as const;
/**
 * What the decoder writes: short codes from clusters of items, the tokens of titles, or one token for each item. The last is
 * the softmax over all items that recommenders without generation have, behind the same encoder: what generation is measured by.
 */
export type ItemTokens = (typeof ITEM_TOKENS)[number];

/** The code of each distinct title. */
export type TitleCodes = ReadonlyMap<string, number[]>;

export const CODE_SOURCES = ['titles', 'titles-and-purchases'] as const;
/** What codes are made from: the words of the titles alone, or also what was bought near them in the training rows. */
export type CodeSource = (typeof CODE_SOURCES)[number];

/** Clusters of what titles and perhaps training rows say; the same for the same data. */
export function titleCodes(
  titles: ReadonlyMap<number, string>,
  train: readonly Row[],
  source: CodeSource = 'titles-and-purchases',
  wordVectors?: WordVectors,
): TitleCodes {
  const vectors = titleVectors(titles, source === 'titles' ? [] : train, wordVectors);
  const codes = itemCodes([...vectors.values()]);
  return new Map([...vectors.keys()].map((title, index) => [title, codes[index] as number[]]));
}
