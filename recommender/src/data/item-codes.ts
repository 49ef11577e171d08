import { argumentError, requirePositiveInteger } from '../argument-error.js';
import { Mulberry32 } from '../random/mulberry32.js';
import { balancedClusters, clusterMeans } from './balanced-clusters.js';

export interface ItemCodesOptions {
  /** Clusters of each level; default `codeLevels` of the number of vectors. */
  levels?: readonly number[];
  /** Of the first centres of k-means, a whole number from 0 to 2^32 - 1; default 1. */
  seed?: number;
}

/** Most clusters of a level. */
const WIDEST = 256;
const LARGEST_SEED = 2 ** 32 - 1;

/**
 * Levels for a catalogue: as few as have a place for each item with at most 256 clusters each, at least two, all of one size,
 * a power of two.
 */
export function codeLevels(items: number): number[] {
  const levels = Math.max(2, Math.ceil(Math.log(Math.max(items, 1)) / Math.log(WIDEST) - 1e-9));
  let clusters = 2;
  while (clusters ** levels < items) clusters *= 2;
  return Array.from({ length: levels }, () => clusters);
}

/**
 * Short codes for items by residual quantisation: k-means with clusters of about equal size gives the first token, k-means of
 * what the centres leave unsaid the next one, and so on. Items with near vectors share the beginning of their codes, and a
 * token of a later level says the same after each beginning. One token more tells the items of a code apart, in their order:
 * it is 0, and forced, where there is but one. So all codes are different and equally long, and no token occurs at two
 * levels: sequences for `TokenTrie.fromSequences`. The same vectors, levels and seed give the same codes.
 *
 * @param vectors one for each item, `[items, d]`, finite
 * @returns the code of each item
 * @throws RangeError for vectors of different lengths, and for other values that are out of range
 */
export function itemCodes(
  vectors: readonly ArrayLike<number>[],
  { levels = codeLevels(vectors.length), seed = 1 }: ItemCodesOptions = {},
): number[][] {
  checkOptions(levels, seed);
  let residuals = vectors.map((vector) => Float64Array.from(vector));
  checkVectors(residuals);
  const random = new Mulberry32(seed);
  const codes: number[][] = residuals.map(() => []);
  let firstToken = 0;
  for (const clusters of levels) {
    const labels =
      residuals.length <= clusters ? Int32Array.from(residuals.keys()) : balancedClusters(residuals, clusters, random);
    const centres = clusterMeans(residuals, labels);
    residuals = residuals.map((residual, item) => {
      const centre = centres.get(labels[item] as number) as Float64Array;
      return residual.map((coordinate, k) => coordinate - (centre[k] as number));
    });
    codes.forEach((code, item) => {
      code.push(firstToken + (labels[item] as number));
    });
    firstToken += clusters;
  }
  const taken = new Map<string, number>();
  for (const code of codes) {
    const key = code.join();
    const before = taken.get(key) ?? 0;
    taken.set(key, before + 1);
    code.push(firstToken + before);
  }
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
