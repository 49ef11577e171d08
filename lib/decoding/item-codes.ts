import { positiveInteger, readMembers } from '../loss/check-options.js';
import { bearError } from '../loss/errors.js';
import { forEachElement, readNumbers } from '../loss/reading.js';
import { Mulberry32 } from '../random/mulberry32.js';
import { balancedClusters } from './balanced-clusters.js';
import { readNumber, seed } from './rules.js';

export interface ItemCodesOptions {
  /** Clusters at each level of the tree, from the root; default 32, 16, 16. */
  levels?: readonly number[];
  /** Of the first centres of k-means, a whole number from 0 to 2^32 - 1; default 1. */
  seed?: number;
}

const DEFAULT_LEVELS = [32, 16, 16];

/**
 * Short codes for items, by recursive k-means with clusters of about equal size: items with near vectors share the beginning
 * of their codes. The same vectors, levels and seed give the same codes. A group with no more items than there are clusters is
 * not clustered: each item gets a token of its own. Where the last level is not enough to tell the items of a group apart,
 * each gets one token more. So all codes are different, none begins another, and no token occurs at two levels: sequences
 * for `TokenTrie.fromSequences`. The default levels tell up to 8192 items apart with three tokens each.
 *
 * @param vectors one for each item, `[items, d]`, finite
 * @returns the code of each item
 * @throws TypeError or RangeError `ERR_BEAR_SHAPE` for vectors of different lengths, `ERR_BEAR_OPTION_VALUE` for other values
 */
export function itemCodes(vectors: readonly ArrayLike<number>[], options: ItemCodesOptions = {}): number[][] {
  const { levels, seed } = readOptions(options);
  const points = readVectors(vectors);
  const random = new Mulberry32(seed);
  const codes: number[][] = points.map(() => []);
  const split = ({ items, level, firstToken }: Group): Group[] => {
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
    return [...groups.values()]
      .filter((group) => level + 1 < levels.length || group.length > 1)
      .map((group) => ({ items: group, level: level + 1, firstToken: firstToken + clusters }));
  };
  // Depth first, but not by recursion: there may be more levels than the stack has room for.
  const waiting: Group[] = points.length > 0 ? [{ items: [...points.keys()], level: 0, firstToken: 0 }] : [];
  for (let group = waiting.pop(); group !== undefined; group = waiting.pop()) waiting.push(...split(group).reverse());
  return codes;
}

/** Items whose codes begin alike. */
interface Group {
  items: readonly number[];
  /** How many tokens they have so far. */
  level: number;
  /** The lowest token of the next level. */
  firstToken: number;
}

const OPTION_NAMES = new Set(['levels', 'seed'] satisfies (keyof ItemCodesOptions)[]);

function readOptions(options: unknown): { levels: readonly number[]; seed: number } {
  const given = readMembers(
    options,
    'options',
    'an object of options',
    OPTION_NAMES,
    ({ levels, seed }) => ({ levels, seed }),
    '',
  );
  return { levels: readLevels(given.levels), seed: readNumber(given.seed, 'seed', seed, 1) };
}

function readLevels(levels: unknown): readonly number[] {
  if (levels === undefined) return DEFAULT_LEVELS;
  const clusters: number[] = [];
  forEachElement(levels, 'levels', 'numbers', (count, level) => {
    clusters.push(positiveInteger(count, `levels[${level}]`));
  });
  if (clusters.length > 0) return clusters;
  throw bearError('ERR_BEAR_OPTION_VALUE', { argument: 'levels', expected: 'at least one level', received: 'none' });
}

function readVectors(vectors: unknown): Float64Array[] {
  const points: Float64Array[] = [];
  forEachElement(vectors, 'vectors', 'arrays of numbers', (vector, item) => {
    points.push(readNumbers(vector, `vectors[${item}]`));
  });
  points.forEach((point, item) => {
    checkVector(point, points[0]?.length ?? 0, item);
  });
  return points;
}

function checkVector(point: Float64Array, length: number, item: number): void {
  if (point.length === 0 || point.length !== length) {
    throw bearError('ERR_BEAR_SHAPE', {
      argument: `vectors[${item}]`,
      expected: `${length || 'some'} numbers, as in all vectors`,
      received: `${point.length}`,
    });
  }
  const bad = point.findIndex((coordinate) => !Number.isFinite(coordinate));
  if (bad < 0) return;
  throw bearError('ERR_BEAR_OPTION_VALUE', {
    argument: `vectors[${item}][${bad}]`,
    expected: 'a finite number',
    received: `${point[bad]}`,
  });
}
