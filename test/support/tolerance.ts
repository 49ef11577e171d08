/** The tolerances of docs/math.md ("Numbers"), as checks that name the row and token that break them. */
import { type DType, decodeBits, encodeBits, type LogitArray, unitsApart } from './dtype';

export interface Tolerance {
  /** Of a row's gradient: max_j |g_j - g64_j| / max_j |g64_j|. */
  gradient: number;
  /** Of a loss or a row statistic, relative to max(1, |expected|). */
  loss: number;
}

export const ORDINARY: Tolerance = { gradient: 5e-6, loss: 1e-5 };
export const EXTREME: Tolerance = { gradient: 1e-4, loss: 1e-4 };
/** Of the gradients of the linear form, which are sums over tokens or rows of rounded ones. */
export const LINEAR: Tolerance = { gradient: 2e-5, loss: 1e-5 };
/** What the float64 reference owes to the golden vectors. */
export const FLOAT64: Tolerance = { gradient: 1e-10, loss: 1e-10 };

/** Accumulation is in float32, which has no digits to compare below its smallest normal number. */
const SMALLEST_NORMAL_FLOAT32 = 2 ** -126;

/**
 * bfloat16 reaches as far down as float32 does, so there a probability that vanished in float32 shows. With the row's other
 * factors (1 / temperature, weights) it stays below this share of the row's largest entry.
 */
const VANISHED_SHARE = 2 ** -120;

export interface GradientError {
  /** As docs/math.md defines it: relative to the row's largest entry, absolute where that is 0. */
  error: number;
  token: number;
}

/**
 * Compares one row of a gradient with the float64 reference's. Infinite where numbers differ that may not differ at all: one is
 * NaN, infinite or exactly 0 (outside A, in ignored and forced rows) and the other is not.
 *
 * @param scale an error is relative to this, where it is larger than the row's largest entry
 */
export function gradientRowError(actual: ArrayLike<number>, expected: ArrayLike<number>, scale = 0): GradientError {
  let largest = scale;
  let difference = 0;
  let token = -1;
  for (let j = 0; j < expected.length; ++j) {
    const [a, e] = [actual[j] as number, expected[j] as number];
    if (!Number.isFinite(e) || !Number.isFinite(a) || e === 0) {
      if (!Object.is(a + 0, e + 0)) return { error: Infinity, token: j };
      continue;
    }
    largest = Math.max(largest, Math.abs(e));
    if (Math.abs(a - e) > difference) [difference, token] = [Math.abs(a - e), j];
  }
  if (difference <= SMALLEST_NORMAL_FLOAT32) difference = 0;
  return { error: largest === 0 ? difference : difference / largest, token };
}

/** Throws where a row of a float32 gradient is further from the reference than the tolerance. */
export function expectFloatGradient(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  vocabSize: number,
  tolerance: number,
  unsmoothed?: ArrayLike<number>,
): void {
  expect(actual.length).toBe(expected.length);
  for (let start = 0; start < expected.length; start += vocabSize) {
    const [a, e] = [slice(actual, start, vocabSize), slice(expected, start, vocabSize)];
    const scale = unsmoothed ? largestEntry(slice(unsmoothed, start, vocabSize)) : 0;
    const { error, token } = gradientRowError(a, e, scale);
    if (!(error <= tolerance)) {
      throw new Error(
        `gradient of row ${start / vocabSize}: error ${error} at token ${token} ` +
          `(got ${a[token]}, reference ${e[token]}), tolerance ${tolerance}`,
      );
    }
  }
}

/** Throws where an entry of a 16-bit gradient is not the float64 reference rounded once, give or take one unit. */
export function expectRoundedGradient(
  actual: Uint16Array,
  expected: ArrayLike<number>,
  dtype: 'float16' | 'bfloat16',
  vocabSize: number,
  tolerance: number,
  unsmoothed?: ArrayLike<number>,
): void {
  expect(actual.length).toBe(expected.length);
  for (let start = 0; start < expected.length; start += vocabSize) {
    const vanished = VANISHED_SHARE * largestEntry(slice(expected, start, vocabSize));
    const cancelled = unsmoothed ? tolerance * largestEntry(slice(unsmoothed, start, vocabSize)) : 0;
    for (let index = start; index < start + vocabSize; ++index) {
      const e = expected[index] as number;
      const value = decodeBits(actual[index] as number, dtype);
      const units = unitsApart(actual[index] as number, encodeBits(e, dtype));
      const closeEnough =
        Number.isNaN(e) || Number.isNaN(value) || e === 0
          ? Object.is(value + 0, e + 0)
          : units <= 1 || Math.abs(value - e) <= Math.max(vanished, cancelled);
      if (!closeEnough) {
        throw new Error(
          `gradient of row ${start / vocabSize} at token ${index - start}: got ${value}, reference ${e}, ` +
            `${units} units of ${dtype} apart`,
        );
      }
    }
  }
}

/**
 * Compares a gradient of any dtype with the reference.
 *
 * @param unsmoothed the reference's gradient without label smoothing, for calls with it. Where a row has all but reached
 *   its smoothed target, p_j - eps / n cancels in every entry, and half a unit of a float32 p_j can exceed any share of what
 *   is left. An error is then judged by what went into the difference: these entries.
 */
export function expectGradient(
  actual: LogitArray,
  expected: ArrayLike<number>,
  dtype: DType,
  vocabSize: number,
  tolerance: Tolerance,
  unsmoothed?: ArrayLike<number>,
): void {
  if (dtype === 'float32') {
    expectFloatGradient(actual, expected, vocabSize, tolerance.gradient, unsmoothed);
  } else {
    expectRoundedGradient(actual as Uint16Array, expected, dtype, vocabSize, tolerance.gradient, unsmoothed);
  }
}

/** Losses and row statistics: relative to max(1, |expected|); NaN and infinities must be the same. */
export function expectClose(actual: number, expected: number, tolerance: number, label: string): void {
  const bothFinite = Number.isFinite(actual) && Number.isFinite(expected);
  const close = bothFinite
    ? Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))
    : Object.is(actual, expected);
  if (!close) throw new Error(`${label}: got ${actual}, reference ${expected}, tolerance ${tolerance}`);
}

export function expectAllClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  label: string,
): void {
  if (actual.length !== expected.length) throw new Error(`${label}: length ${actual.length}, not ${expected.length}`);
  for (let row = 0; row < expected.length; ++row) {
    expectClose(actual[row] as number, expected[row] as number, tolerance, `${label} of row ${row}`);
  }
}

function largestEntry(row: readonly number[]): number {
  return row.reduce((largest, entry) => (Number.isFinite(entry) ? Math.max(largest, Math.abs(entry)) : largest), 0);
}

function slice(values: ArrayLike<number>, start: number, length: number): number[] {
  return Array.from({ length }, (_, j) => values[start + j] as number);
}
