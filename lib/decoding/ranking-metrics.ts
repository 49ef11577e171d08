import { bearError, describe, fail } from '../options/errors.js';
import { readNumbers } from '../options/reading.js';
import { positiveInteger } from '../options/rules.js';

// One relevant item a row. `ranks[i]` is where row i's item stands in its ranking, counted from 0; -1 where it is not there.
// Formulas: evaluation script of the BEAR authors, whose ideal DCG is 1 as there is one relevant item.

/**
 * HitRatio@k: the mean of [rank < k].
 *
 * @returns a share in [0, 1]; 0 for no rows
 * @throws RangeError `ERR_BEAR_OPTION_VALUE` if `k` is not a positive integer, `ERR_BEAR_RANK` if a rank is not an integer
 *   of at least -1
 *
 * @example
 * hitRatioAt([0, -1, 4], 2); // 1 / 3
 */
export function hitRatioAt(ranks: ArrayLike<number>, k: number): number {
  return mean(hitsAt(ranks, k));
}

/**
 * The rows of `hitRatioAt`: 1 for a rank below k, else 0.
 *
 * @throws as `hitRatioAt`
 *
 * @example
 * hitsAt([0, -1, 4], 2); // [1, 0, 0]
 */
export function hitsAt(ranks: ArrayLike<number>, k: number): Float64Array {
  return gainsAt(ranks, k, () => 1);
}

/**
 * NDCG@k: the mean of [rank < k] / log2(rank + 2).
 *
 * @returns a number in [0, 1]; 0 for no rows
 * @throws as `hitRatioAt`
 *
 * @example
 * ndcgAt([0, -1, 4], 2); // 1 / 3
 */
export function ndcgAt(ranks: ArrayLike<number>, k: number): number {
  return mean(discountedGainsAt(ranks, k));
}

/**
 * The rows of `ndcgAt`.
 *
 * @throws as `hitRatioAt`
 *
 * @example
 * discountedGainsAt([0, -1, 4], 2); // [1, 0, 0]
 */
export function discountedGainsAt(ranks: ArrayLike<number>, k: number): Float64Array {
  return gainsAt(ranks, k, (rank) => 1 / Math.log2(rank + 2));
}

/**
 * MRR: the mean of 1 / (rank + 1), 0 for items that are not there; with `k`, for ranks below k only.
 *
 * @returns a number in [0, 1]; 0 for no rows
 * @throws as `hitRatioAt`
 *
 * @example
 * meanReciprocalRank([0, -1, 4]); // 0.4
 */
export function meanReciprocalRank(ranks: ArrayLike<number>, k: number = Number.MAX_SAFE_INTEGER): number {
  return mean(reciprocalRanks(ranks, k));
}

/**
 * The rows of `meanReciprocalRank`.
 *
 * @throws as `hitRatioAt`
 *
 * @example
 * reciprocalRanks([0, -1, 4]); // [1, 0, 0.2]
 */
export function reciprocalRanks(ranks: ArrayLike<number>, k: number = Number.MAX_SAFE_INTEGER): Float64Array {
  return gainsAt(ranks, k, (rank) => 1 / (rank + 1));
}

export interface PruningRate {
  /** `pruned / eligible`; 0 where no row is eligible. */
  rate: number;
  /** Eligible rows whose item is not among the `beamWidth` results of the beam search. */
  pruned: number;
  /** Rows whose item is among the `beamWidth` most probable of the whole catalogue. */
  eligible: number;
}

/**
 * The share of the rows that the model ranks within the first `beamWidth` but beam search of that width does not return.
 *
 * @param exactRanks rank of each row's item among all items, by exact scores (`exactTopItems`)
 * @param beamRanks rank of the same item in the result of beam search
 * @throws RangeError as `hitRatioAt`, and `ERR_BEAR_SHAPE` if the two differ in length
 *
 * @example
 * const { rate } = pruningRate(exactRanks, beamRanks, 10);
 */
export function pruningRate(
  exactRanks: ArrayLike<number>,
  beamRanks: ArrayLike<number>,
  beamWidth: number,
): PruningRate {
  const { numerators, denominators } = pruningRows(exactRanks, beamRanks, beamWidth);
  const [pruned, eligible] = [sum(numerators), sum(denominators)];
  return { rate: eligible === 0 ? 0 : pruned / eligible, pruned, eligible };
}

/**
 * The rows of `pruningRate`: whether each is pruned, and whether it is eligible.
 *
 * @throws as `pruningRate`
 *
 * @example
 * const { numerators, denominators } = pruningRows(exactRanks, beamRanks, 10);
 */
export function pruningRows(
  exactRanks: ArrayLike<number>,
  beamRanks: ArrayLike<number>,
  beamWidth: number,
): { numerators: Float64Array; denominators: Float64Array } {
  positiveInteger(beamWidth, 'beamWidth');
  const exact = readRanks(exactRanks, 'exactRanks');
  const beam = readRanks(beamRanks, 'beamRanks');
  if (exact.length !== beam.length) {
    fail('ERR_BEAR_SHAPE', 'beamRanks', `${exact.length} ranks, one for each of exactRanks`, `${beam.length}`);
  }
  const within = (rank: number) => rank >= 0 && rank < beamWidth;
  const denominators = exact.map((rank) => (within(rank) ? 1 : 0));
  const numerators = denominators.map((isEligible, row) => (isEligible && !within(beam[row] as number) ? 1 : 0));
  return { numerators, denominators };
}

function gainsAt(ranks: ArrayLike<number>, k: number, gain: (rank: number) => number): Float64Array {
  positiveInteger(k, 'k');
  return readRanks(ranks, 'ranks').map((rank) => (rank >= 0 && rank < k ? gain(rank) : 0));
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: Float64Array): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

function readRanks(ranks: unknown, argument: string): Float64Array {
  const numbers = readNumbers(ranks, argument);
  const bad = numbers.findIndex((rank) => !Number.isInteger(rank) || rank < -1);
  if (bad < 0) return numbers;
  throw bearError('ERR_BEAR_RANK', {
    argument,
    expected: 'an integer of at least 0, or -1 for "not there"',
    received: describe(numbers[bad]),
    row: bad,
  });
}
