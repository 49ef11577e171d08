import { Random } from '../random/random.js';
import type { Row } from './dataset.js';
import { NeighbourCounts } from './neighbour-counts.js';
import { wordsOf } from './title-words.js';
import type { WordVectors } from './word-vectors.js';

/** Where there are no vectors of words. */
const LENGTH = 64;
/** How far along the pairs of the training rows a title hears of others. */
const ROUNDS = 2;
/** Of the random directions: one set for all runs, so that all seeds of a run have the same codes. */
const SEED = 1;

/**
 * A vector for each title, for clustering: what its words are, and what was bought near its items in the training rows. Words
 * are random directions, or the vectors of a file for those that it has, weighted by inverse document frequency, and each title has
 * a random direction of its own. Then titles
 * take over the mean of their neighbours, a pair counting by its share of the pairs of either; a title's words and what it
 * hears in each round, each at length 1, add up to its vector. (Random projections in place of factorisations, as in FastRP.)
 *
 * @returns `[titles, 64]`, or of the width of the file, by distinct title
 */
export function titleVectors(
  titles: ReadonlyMap<number, string>,
  train: readonly Row[],
  known: WordVectors = new Map(),
): Map<string, Float64Array> {
  const distinct = [...new Set(titles.values())].sort();
  const random = new Random(SEED);
  const length = known.values().next().value?.length ?? LENGTH;
  const words = wordSums(distinct, random, centred(known), length);
  const neighbours = neighbourShares(titles, distinct, train);
  const sums = words.map((vector) => vector.slice());
  let heard = words.map((vector) =>
    normalized(addScaled(vector.slice(), randomDirection(random, length), 1 / Math.sqrt(length))),
  );
  for (let round = 0; round < ROUNDS; round++) {
    heard = neighbours.map((shares) => {
      const sum = new Float64Array(length);
      for (const [other, share] of shares) addScaled(sum, heard[other] as Float64Array, share);
      return normalized(sum);
    });
    sums.forEach((sum, title) => {
      addScaled(sum, heard[title] as Float64Array, 1);
    });
  }
  return new Map(distinct.map((title, index) => [title, sums[index] as Float64Array]));
}

/** For each title the sum of its words, at length 1. */
function wordSums(
  titles: readonly string[],
  random: Random,
  known: ReadonlyMap<string, Float64Array>,
  length: number,
): Float64Array[] {
  const words = titles.map(wordsOf);
  const frequency = new Map<string, number>();
  for (const word of words.flat()) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const weighted = new Map(
    [...frequency].map(([word, count]) => {
      const inverse = Math.log(titles.length / count);
      const direction = known.get(word) ?? randomDirection(random, length);
      return [word, addScaled(new Float64Array(length), direction, inverse)] as const;
    }),
  );
  return words.map((own) => {
    const sum = new Float64Array(length);
    for (const word of own) addScaled(sum, weighted.get(word) as Float64Array, 1);
    return normalized(sum);
  });
}

/** Without what all have in common, and as long as random directions are. */
function centred(known: WordVectors): Map<string, Float64Array> {
  const vectors = [...known.values()];
  const length = vectors[0]?.length ?? 0;
  const mean = new Float64Array(length);
  for (const vector of vectors) addScaled(mean, vector, 1 / vectors.length);
  return new Map(
    [...known].map(([word, vector]) => {
      const own = normalized(addScaled(Float64Array.from(vector), mean, -1));
      return [word, own.map((coordinate) => coordinate * Math.sqrt(length))];
    }),
  );
}

/** For each title the titles that were bought near it, in either order, by index, and their shares. */
function neighbourShares(
  titles: ReadonlyMap<number, string>,
  distinct: readonly string[],
  train: readonly Row[],
): Map<number, number>[] {
  const indexOf = new Map(distinct.map((title, index) => [title, index]));
  const indexOfItem = (item: number) => indexOf.get(titles.get(item) as string) as number;
  const pairs = distinct.map(() => new Map<number, number>());
  const add = (from: number, to: number, count: number) => pairs[from]?.set(to, (pairs[from].get(to) ?? 0) + count);
  const counts = new NeighbourCounts(train);
  for (const item of titles.keys()) {
    counts.forEachFollower(item, {}, (later, count) => {
      add(indexOfItem(item), indexOfItem(later), count);
      add(indexOfItem(later), indexOfItem(item), count);
    });
  }
  const totals = pairs.map((own) => [...own.values()].reduce((sum, count) => sum + count, 0));
  return pairs.map((own, title) => {
    const share = (other: number, count: number) =>
      count / Math.sqrt((totals[title] as number) * (totals[other] as number));
    return new Map([...own].map(([other, count]) => [other, share(other, count)]));
  });
}

function randomDirection(random: Random, length: number): Float64Array {
  return Float64Array.from({ length }, () => random.normal());
}

/** Adds in place, and returns the sum. */
function addScaled(sum: Float64Array, terms: ArrayLike<number>, factor: number): Float64Array {
  for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + factor * (terms[k] as number);
  return sum;
}

/** At length 1; zeros stay zeros. */
function normalized(vector: Float64Array): Float64Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((coordinate) => coordinate / length);
}
