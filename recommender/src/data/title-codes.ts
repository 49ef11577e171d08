import type { Row } from './dataset.js';
import { itemCodes } from './item-codes.js';
import { titleVectors } from './title-vectors.js';

export const ITEM_TOKENS = ['titles', 'codes'] as const;
/** What the decoder writes: the tokens of titles, or short codes from clusters of items. */
export type ItemTokens = (typeof ITEM_TOKENS)[number];

/** The code of each distinct title. */
export type TitleCodes = ReadonlyMap<string, number[]>;

/** Three levels of 32, 16 and 16 clusters of what titles and training rows say; the same for the same data. */
export function titleCodes(titles: ReadonlyMap<number, string>, train: readonly Row[]): TitleCodes {
  const vectors = titleVectors(titles, train);
  const codes = itemCodes([...vectors.values()]);
  return new Map([...vectors.keys()].map((title, index) => [title, codes[index] as number[]]));
}
