import { argumentError, requirePositiveInteger } from '../argument-error.js';
import { Mulberry32 } from '../random/mulberry32.js';
import { balancedClusters } from './balanced-clusters.js';

export interface ItemCodesOptions {
  /** Clusters at each level of the tree, from the root; default 32, 16, 16. */
  levels?: readonly number[];
  /** Of the first centres of k-means, a whole number from 0 to 2^32 - 1; default 1. */
  seed?: number;
}

const DEFAULT_LEVELS = [32, 16, 16];
const LARGEST_SEED = 2 ** 32 - 1;

/**
 * Short codes for items, by recursive k-means with clusters of about equal size: items with near vectors share the beginning
 * of their codes. The same vectors, levels and seed give the same codes. A group with no more items than there are clusters is
 * not clustered: each item gets a token of its own. Where the last level is not enough to tell the items of a group apart,
 * each gets one token more. So all codes are different, none begins another, and no token occurs at two levels: sequences
 * for `TokenTrie.fromSequences`. The default levels tell up to 8192 items apart with three tokens each.
 *
 * @param vectors one for each item, `[items, d]`, finite
 * @returns the code of each item
 * @throws RangeError for vectors of different lengths, and for other values that are out of range
 */
export function itemCodes(
  vectors: readonly ArrayLike<number>[],
  { levels = DEFAULT_LEVELS, seed = 1 }: ItemCodesOptions = {},
): number[][] {
  checkOptions(levels, seed);
  const points = vectors.map((vector) => Float64Array.from(vector));
  checkVectors(points);
  const random = new Mulberry32(seed);
  const codes: number[][] = points.map(() => []);
  const split = (items: readonly number[], level: number, firstToken: number): void => {
    const clusters = levels[level] ?? items.length;
    const members = items.map((item) => points[item] as Float64Array);
    const tokens = items.length <= clusters ? [...items.keys()] : balancedClusters(members, clusters, random);
    const groups = new Map<number, number[]>();
    items.forEach((item, index) => {
      const token = tokens[index] as number;
      codes[item]?.push(firstToken + token);
      const group = groups.get(token);
      if (group) group.push(item);
      else groups.set(token, [item]);
    });
    for (const group of groups.values()) {
      if (level + 1 < levels.length || group.length > 1) split(group, level + 1, firstToken + clusters);
    }
  };
  if (points.length > 0) split([...points.keys()], 0, 0);
  return codes;
}

function checkOptions(levels: readonly number[], seed: number): void {
  if (levels.length === 0) throw argumentError('levels', 'expected at least one level');
  for (const [level, clusters] of levels.entries()) requirePositiveInteger(clusters, `levels[${level}]`);
  if (!Number.isInteger(seed) || seed < 0 || seed > LARGEST_SEED) {
    const message = `expected a whole number from 0 to 2^32 - 1, got ${seed}`;
    throw argumentError('seed', message);
  }
}

function checkVectors(points: readonly Float64Array[]): void {
  const length = points[0]?.length ?? 0;
  points.forEach((point, item) => {
    if (point.length === 0 || point.length !== length) {
      const message = `expected ${length || 'some'} numbers, as in all vectors, got ${point.length}`;
      throw argumentError(`vectors[${item}]`, message);
    }
    const bad = point.findIndex((coordinate) => !Number.isFinite(coordinate));
    if (bad >= 0) {
      const message = `expected a finite number, got ${point[bad]}`;
      throw argumentError(`vectors[${item}][${bad}]`, message);
    }
  });
}
