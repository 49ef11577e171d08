// Confidence intervals by resampling: percentile bootstrap over rows, or over clusters of rows that belong together.
import { allocate } from '../loss/arrays.js';
import { positiveInteger, readMembers } from '../loss/check-options.js';
import { bearError } from '../loss/errors.js';
import { elementError, forEachElement, isArray, readingError, readNumbers } from '../loss/reading.js';
import { typedArrayName } from '../loss/typed-arrays.js';
import { Mulberry32 } from '../random/mulberry32.js';
import { readNumber, seed, share } from './rules.js';

/** What a figure is the ratio of: the sum of `numerators` to that of `denominators`, or without them to the row count. */
export interface RatioRows {
  numerators: ArrayLike<number>;
  denominators?: ArrayLike<number>;
}

export interface BootstrapOptions {
  /** [rows]: rows with equal values are drawn together, as those of one user; default every row by itself. */
  clusters?: ArrayLike<number | string>;
  /** Resamples, default 2000. */
  samples?: number;
  /** Share of the resamples inside the interval, between 0 and 1, default 0.95. */
  confidence?: number;
  /** Seed of the resampling, an integer from 0 to 2^32 - 1, default 1: the same seed gives the same interval. */
  seed?: number;
}

export interface Interval {
  /** The figure on all rows. */
  estimate: number;
  low: number;
  high: number;
}

/**
 * The mean of a value for each row, or a ratio of sums, with its interval. A ratio is 0 where its denominators sum to 0.
 *
 * @throws RangeError `ERR_BEAR_OPTION_VALUE`, `ERR_BEAR_NOT_FINITE`, or `ERR_BEAR_SHAPE` for no rows and for lengths that
 *   differ; TypeError `ERR_BEAR_ARGUMENT_TYPE`, `ERR_BEAR_OPTION_UNKNOWN`
 */
export function bootstrapInterval(rows: ArrayLike<number> | RatioRows, options: BootstrapOptions = {}): Interval {
  const figure = readRows(rows, 'rows');
  const resampling = readOptions(options, figure.numerators.length);
  const sums = clusterSums(figure, resampling.clusters);
  const [draws] = resample([sums], resampling, ([drawn]) => [drawn as number]) as [Float64Array];
  return intervalOf(ratio(total(sums.numerators), total(sums.denominators)), draws, resampling);
}

/**
 * How much the figure of `a` is above that of `b`, on the same rows: both are taken from the same resamples, so that what
 * rows have in common cancels.
 *
 * @returns `difference`, a - b, and `relative`, a / b - 1 (NaN where b is 0; resamples in which it is are left out of the
 *   interval)
 * @throws as `bootstrapInterval`
 */
export function bootstrapDifference(
  a: ArrayLike<number> | RatioRows,
  b: ArrayLike<number> | RatioRows,
  options: BootstrapOptions = {},
): { difference: Interval; relative: Interval } {
  const figures = [readRows(a, 'a'), readRows(b, 'b')] as const;
  const rows = figures[0].numerators.length;
  assertRows(figures[1].numerators.length, rows, 'b');
  const resampling = readOptions(options, rows);
  const sums = figures.map((figure) => clusterSums(figure, resampling.clusters));
  const compare = (left: number, right: number) => [left - right, right === 0 ? Number.NaN : left / right - 1];
  const [differences, relatives] = resample(sums, resampling, ([left, right]) =>
    compare(left as number, right as number),
  ) as [Float64Array, Float64Array];
  const [left, right] = sums.map((each) => ratio(total(each.numerators), total(each.denominators)));
  const [difference, relative] = compare(left as number, right as number) as [number, number];
  return {
    difference: intervalOf(difference, differences, resampling),
    relative: intervalOf(relative, relatives, resampling),
  };
}

/** Finite numbers, a pair a row; denominators of 1 for rows without. */
interface Figure {
  numerators: Float64Array;
  denominators: Float64Array;
}

function readRows(rows: unknown, argument: string): Figure {
  const members = ratioOf(rows, argument);
  const numerators = readFinite(members?.numerators ?? rows, members ? 'numerators' : argument);
  if (members?.denominators === undefined) return { numerators, denominators: numerators.map(() => 1) };
  const denominators = readFinite(members.denominators, 'denominators');
  assertRows(denominators.length, numerators.length, 'denominators');
  return { numerators, denominators };
}

/** What an object gives as a ratio, each member read once; undefined for a list. */
function ratioOf(rows: unknown, argument: string): { numerators: unknown; denominators: unknown } | undefined {
  if (typeof rows !== 'object' || rows === null || typedArrayName(rows) !== undefined || isArray(rows))
    return undefined;
  try {
    const { numerators, denominators } = rows as Partial<RatioRows>;
    return numerators === undefined ? undefined : { numerators, denominators };
  } catch (error) {
    throw readingError(error, rows, argument);
  }
}

function readFinite(list: unknown, argument: string): Float64Array {
  const numbers = readNumbers(list, argument);
  const bad = numbers.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return numbers;
  throw elementError('ERR_BEAR_NOT_FINITE', argument, 'finite numbers only', numbers[bad], bad);
}

function assertRows(received: number, rows: number, argument: string): void {
  if (received === rows) return;
  throw bearError('ERR_BEAR_SHAPE', { argument, expected: `${rows} rows`, received: `${received}` });
}

/** Checked, with defaults filled in. */
interface Resampling {
  clusters: Clusters;
  samples: number;
  confidence: number;
  seed: number;
}

const OPTION_NAMES = new Set(['clusters', 'samples', 'confidence', 'seed'] satisfies (keyof BootstrapOptions)[]);

function readOptions(options: unknown, rows: number): Resampling {
  const given = readMembers(
    options,
    'options',
    'an object of options',
    OPTION_NAMES,
    ({ clusters, samples, confidence, seed }) => ({ clusters, samples, confidence, seed }),
    '',
  );
  return {
    clusters: readClusters(given.clusters, rows),
    samples: readNumber(given.samples, 'samples', positiveInteger, 2000),
    confidence: readNumber(given.confidence, 'confidence', share, 0.95),
    seed: readNumber(given.seed, 'seed', seed, 1),
  };
}

interface Clusters {
  count: number;
  /** [rows], from 0 to `count` - 1 in the order of their first row. */
  numbers: Int32Array;
}

function readClusters(clusters: unknown, rows: number): Clusters {
  if (rows === 0) {
    throw bearError('ERR_BEAR_SHAPE', { argument: 'rows', expected: 'at least one row', received: 'none' });
  }
  if (clusters === undefined) return { count: rows, numbers: Int32Array.from({ length: rows }, (_, row) => row) };
  const seen = new Map<unknown, number>();
  const numbers: number[] = [];
  const given = forEachElement(clusters, 'clusters', 'numbers or strings', (name, row) => {
    if (typeof name !== 'number' && typeof name !== 'string') {
      throw elementError('ERR_BEAR_ARGUMENT_TYPE', 'clusters', 'numbers or strings', name, row);
    }
    if (!seen.has(name)) seen.set(name, seen.size);
    numbers.push(seen.get(name) as number);
  });
  assertRows(given, rows, 'clusters');
  return { count: seen.size, numbers: new Int32Array(numbers) };
}

interface ClusterSums {
  numerators: Float64Array;
  denominators: Float64Array;
}

function clusterSums({ numerators, denominators }: Figure, { count, numbers }: Clusters): ClusterSums {
  const sums = { numerators: new Float64Array(count), denominators: new Float64Array(count) };
  numbers.forEach((cluster, row) => {
    add(sums.numerators, cluster, numerators[row] as number);
    add(sums.denominators, cluster, denominators[row] as number);
  });
  return sums;
}

function add(sums: Float64Array, index: number, value: number): void {
  sums[index] = (sums[index] as number) + value;
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

/** Draws as many clusters as there are, with replacement, again and again; one array of values for each statistic. */
function resample(
  figures: readonly ClusterSums[],
  { samples, seed }: Resampling,
  statistics: (ratios: number[]) => number[],
): Float64Array[] {
  const random = new Mulberry32(seed);
  const count = (figures[0] as ClusterSums).numerators.length;
  let values: Float64Array[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const sums = figures.map(() => [0, 0] as [number, number]);
    for (let draw = 0; draw < count; draw++) {
      const cluster = Math.floor(random.uniform() * count);
      figures.forEach(({ numerators, denominators }, index) => {
        const sum = sums[index] as [number, number];
        sum[0] += numerators[cluster] as number;
        sum[1] += denominators[cluster] as number;
      });
    }
    const drawn = statistics(sums.map(([numerator, denominator]) => ratio(numerator, denominator)));
    if (sample === 0) values = drawn.map(() => allocate(Float64Array, samples, 'samples'));
    drawn.forEach((value, index) => {
      (values[index] as Float64Array)[sample] = value;
    });
  }
  return values;
}

function intervalOf(estimate: number, draws: Float64Array, { confidence }: Resampling): Interval {
  const ascending = draws.filter((draw) => !Number.isNaN(draw)).sort();
  return { estimate, low: quantile(ascending, (1 - confidence) / 2), high: quantile(ascending, (1 + confidence) / 2) };
}

/** Linear between the values on either side; NaN where there are none. */
function quantile(ascending: Float64Array, share: number): number {
  if (ascending.length === 0) return Number.NaN;
  const place = share * (ascending.length - 1);
  const low = Math.floor(place);
  const [left, right] = [ascending[low] as number, ascending[Math.ceil(place)] as number];
  return left + (right - left) * (place - low);
}
