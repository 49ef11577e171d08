import type { Catalogue } from '../data/catalogue.js';
import { wordsOf } from '../data/title-words.js';
import type { WordVectors } from '../data/word-vectors.js';

/** Where vectors start that would start at random, by the index of the item and by the token. */
export interface StartVectors {
  items: ReadonlyMap<number, Float32Array>;
  tokens: ReadonlyMap<number, Float32Array>;
}

/**
 * Of the words of the titles: an item starts at the mean of its words that have a vector, a token at the mean of the items that
 * have the token. Of both the mean over all is taken away, and they get the size that random ones have.
 *
 * @param deviation of the numbers
 */
export function startVectors(
  { titles, indexOf, itemTokens }: Pick<Catalogue, 'titles' | 'indexOf' | 'itemTokens'>,
  words: WordVectors,
  deviation: number,
): StartVectors {
  const ofItems = new Map<number, Float32Array>();
  for (const [id, title] of titles) {
    const known = wordsOf(title).flatMap((word) => words.get(word) ?? []);
    if (known.length > 0) ofItems.set(indexOf.get(id) as number, meanOf(known));
  }
  const itemsOf = new Map<number, Float32Array[]>();
  for (const [item, vector] of ofItems) {
    for (const token of new Set(itemTokens[item])) {
      const some = itemsOf.get(token) ?? [];
      itemsOf.set(token, some);
      some.push(vector);
    }
  }
  const ofTokens = new Map([...itemsOf].map(([token, vectors]) => [token, meanOf(vectors)]));
  return { items: scaled(ofItems, deviation), tokens: scaled(ofTokens, deviation) };
}

function scaled(vectors: ReadonlyMap<number, Float32Array>, deviation: number): Map<number, Float32Array> {
  const mean = meanOf([...vectors.values()]);
  const moved = [...vectors].map(([key, vector]) => [key, vector.map((x, k) => x - (mean[k] as number))] as const);
  const squares = moved.reduce((sum, [, vector]) => sum + vector.reduce((own, x) => own + x * x, 0), 0);
  const size = Math.sqrt(squares / (moved.length * mean.length));
  // All alike: nothing is known that tells them apart.
  const factor = size === 0 ? 0 : deviation / size;
  return new Map(moved.map(([key, vector]) => [key, vector.map((x) => factor * x)]));
}

function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors)
    for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + (vector[k] as number);
  return Float32Array.from(sum, (x) => x / vectors.length);
}
