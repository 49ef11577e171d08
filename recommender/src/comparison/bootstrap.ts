// Confidence intervals by resampling: percentile bootstrap over rows, or over clusters of rows that belong together.

import { argumentError, requirePositiveInteger } from '../argument-error.js';
import { Mulberry32 } from '../random/mulberry32.js';

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
  /** Seed of the resampling, default 1: the same seed gives the same interval. */
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
 * @throws RangeError for numbers that are not finite, for no rows, for lengths that differ, and for options out of range
 */
export function bootstrapInterval(rows: ArrayLike<number> | RatioRows, options: BootstrapOptions = {}): Interval {
  const clusters = clusterOf(lengthOf(rows), options);
  const sums = clusterSums(rows, clusters);
  const [draws] = resample([sums], options, ([drawn]) => [drawn as number]) as [Float64Array];
  return intervalOf(ratio(total(sums.numerators), total(sums.denominators)), draws, options);
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
  if (lengthOf(a) !== lengthOf(b)) throw shapeError('b', lengthOf(a), lengthOf(b));
  const clusters = clusterOf(lengthOf(a), options);
  const sums = [clusterSums(a, clusters), clusterSums(b, clusters)] as const;
  const compare = (left: number, right: number) => [left - right, right === 0 ? Number.NaN : left / right - 1];
  const [differences, relatives] = resample(sums, options, ([left, right]) =>
    compare(left as number, right as number),
  ) as [Float64Array, Float64Array];
  const [left, right] = sums.map((each) => ratio(total(each.numerators), total(each.denominators)));
  const [difference, relative] = compare(left as number, right as number) as [number, number];
  return {
    difference: intervalOf(difference, differences, options),
    relative: intervalOf(relative, relatives, options),
  };
}

function isRatio(rows: ArrayLike<number> | RatioRows): rows is RatioRows {
  return 'numerators' in rows;
}

function lengthOf(rows: ArrayLike<number> | RatioRows): number {
  return isRatio(rows) ? rows.numerators.length : rows.length;
}

function shapeError(argument: string, expected: number, received: number): Error {
  return argumentError(argument, `expected ${expected} rows, got ${received}`);
}

interface Clusters {
  count: number;
  /** [rows], from 0 to `count` - 1 in the order of their first row. */
  numbers: Int32Array;
}

function clusterOf(rows: number, { clusters }: BootstrapOptions): Clusters {
  if (rows === 0) throw argumentError('rows', 'expected at least one row, got none');
  if (clusters === undefined) return { count: rows, numbers: Int32Array.from({ length: rows }, (_, row) => row) };
  if (clusters.length !== rows) throw shapeError('clusters', rows, clusters.length);
  const seen = new Map<number | string, number>();
  const numbers = Int32Array.from({ length: rows }, (_, row) => {
    const name = clusters[row] as number | string;
    const known = seen.get(name);
    if (known !== undefined) return known;
    seen.set(name, seen.size);
    return seen.size - 1;
  });
  return { count: seen.size, numbers };
}

interface ClusterSums {
  numerators: Float64Array;
  denominators: Float64Array;
}

function clusterSums(rows: ArrayLike<number> | RatioRows, { count, numbers }: Clusters): ClusterSums {
  const { numerators, denominators } = isRatio(rows) ? rows : { numerators: rows, denominators: undefined };
  if (denominators !== undefined && denominators.length !== numerators.length) {
    throw shapeError('denominators', numerators.length, denominators.length);
  }
  const faulty = [numerators, denominators ?? []].findIndex((values) => !Array.from(values).every(Number.isFinite));
  if (faulty >= 0) {
    const argument = isRatio(rows) ? (['numerators', 'denominators'][faulty] as string) : 'rows';
    throw argumentError(argument, 'expected finite numbers only');
  }
  const sums = { numerators: new Float64Array(count), denominators: new Float64Array(count) };
  numbers.forEach((cluster, row) => {
    add(sums.numerators, cluster, numerators[row] as number);
    add(sums.denominators, cluster, denominators === undefined ? 1 : (denominators[row] as number));
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
  { samples = 2000, seed = 1 }: BootstrapOptions,
  statistics: (ratios: number[]) => number[],
): Float64Array[] {
  requirePositiveInteger(samples, 'samples');
  const random = new Mulberry32(seed);
  const count = (figures[0] as ClusterSums).numerators.length;
  const draws = new Int32Array(count);
  const values: Float64Array[] = [];
  for (let sample = 0; sample < samples; sample++) {
    for (let draw = 0; draw < count; draw++) draws[draw] = Math.floor(random.uniform() * count);
    statistics(figures.map((figure) => drawnRatio(figure, draws))).forEach((value, index) => {
      values[index] ??= new Float64Array(samples);
      (values[index] as Float64Array)[sample] = value;
    });
  }
  return values;
}

function drawnRatio({ numerators, denominators }: ClusterSums, draws: Int32Array): number {
  let numerator = 0;
  let denominator = 0;
  for (let draw = 0; draw < draws.length; draw++) {
    const cluster = draws[draw] as number;
    numerator += numerators[cluster] as number;
    denominator += denominators[cluster] as number;
  }
  return ratio(numerator, denominator);
}

function intervalOf(estimate: number, draws: Float64Array, { confidence = 0.95 }: BootstrapOptions): Interval {
  if (!(confidence > 0 && confidence < 1)) {
    const message = `expected a number between 0 and 1, got ${confidence}`;
    throw argumentError('confidence', message);
  }
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
