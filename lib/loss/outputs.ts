// Where the results go: arrays of the caller's, or new ones.
import type { CheckedOptions } from '../options/check-options.js';
import { refuse } from '../options/errors.js';
import type { GradientMode, LogitsArray } from '../options/options.js';
import { lengthOf, typedArrayName } from '../options/typed-arrays.js';
import { allocate, assertAttached } from './arrays.js';
import { type CheckedLogits, checkStride, dtypesOfArray, rowsExtent } from './logits.js';
import { rowStatistics } from './loss-call.js';
import type { Allocate } from './uncleared-array.js';

/** Statistics of each row, [N]. Ignored rows have 0 and rank -1; rows with NaN or +infinity have NaN and rank -1. */
export interface RowStatistics {
  /** lse - u_y, the unsmoothed cross-entropy. */
  nll: Float32Array;
  /** lse, the log-sum-exp of the scaled logits over the allowed tokens. */
  logSumExp: Float32Array;
  /** log beta, the log-probability of the B-th most probable token. */
  threshold: Float32Array;
  /** delta, the pruning margin: above 0 where beam search drops the target. */
  margin: Float32Array;
  /** r(delta); for `reweight` w - 1. */
  penalty: Float32Array;
  /** Number of allowed tokens with a larger logit than the target's. */
  rank: Int32Array;
}

/** Where a gradient goes and how far apart its rows are. */
export interface GradientOutputs {
  mode: GradientMode;
  /** The caller's array, or a new one; undefined where no gradient is asked for. */
  data: LogitsArray | undefined;
  rowStride: number;
  /** Whether nobody but this call knows `data`. */
  isNew: boolean;
}

export interface Outputs {
  gradient: GradientOutputs;
  rowLosses: Float32Array | undefined;
  rows: RowStatistics | undefined;
}

/**
 * @param entries of the lists of allowed tokens
 * @param newGradient makes a gradient of which every element will be written
 */
export function prepareOutputs(
  logits: CheckedLogits,
  entries: number,
  options: CheckedOptions,
  newGradient: Allocate,
): Outputs {
  return {
    gradient: prepareGradient(logits, entries, options, newGradient),
    rowLosses: options.reduction === 'none' ? allocate(Float32Array, logits.rows, 'loss') : undefined,
    rows: options.rows ? allocateRowStatistics(logits.rows) : undefined,
  };
}

function prepareGradient(
  logits: CheckedLogits,
  entries: number,
  { gradient, out }: CheckedOptions,
  newGradient: Allocate,
): GradientOutputs {
  const { rows, vocabSize } = logits;
  if (gradient === false) return { mode: 'none', data: undefined, rowStride: vocabSize, isNew: false };
  if (gradient === 'sparse') {
    const given = out?.gradLogits;
    if (given !== undefined) checkGradientArray(given, logits, entries);
    const data = given ?? newGradient(gradientType(logits.data), entries, 'gradLogits');
    return { mode: gradient, data, rowStride: vocabSize, isNew: given === undefined };
  }
  if (gradient !== true) return { mode: gradient, data: logits.data, rowStride: logits.rowStride, isNew: false };
  const rowStride = out?.rowStride ?? vocabSize;
  checkStride(rowStride, vocabSize, 'out.rowStride');
  const least = rowsExtent(rows, vocabSize, rowStride, 'out.gradLogits');
  const given = out?.gradLogits;
  if (given === undefined) {
    // Between the rows are zeros.
    const make = rowStride === vocabSize ? newGradient : allocate;
    const data = make(gradientType(logits.data), rows * rowStride, 'gradLogits');
    return { mode: 'out-of-place', data, rowStride, isNew: true };
  }
  checkGradientArray(given, logits, least);
  return { mode: 'out-of-place', data: given, rowStride, isNew: false };
}

function checkGradientArray(given: LogitsArray, { data, dtype }: CheckedLogits, least: number): void {
  const argument = 'out.gradLogits';
  if (!dtypesOfArray(given, argument).includes(dtype)) {
    refuse('ERR_BEAR_DTYPE', argument, `a ${typedArrayName(data)}, as ${dtype} logits have`, given);
  }
  assertAttached(given, argument);
  if (lengthOf(given) >= least) return;
  refuse('ERR_BEAR_OUT_TOO_SMALL', argument, `at least ${least} elements`, given);
}

type GradientType = new (lengthOrMemory: number | ArrayBufferLike) => LogitsArray;

function gradientType(logits: LogitsArray) {
  const types = { Float32Array, Uint16Array, Float16Array: Reflect.get(globalThis, 'Float16Array') };
  return types[typedArrayName(logits) as keyof typeof types] as GradientType & { readonly BYTES_PER_ELEMENT: number };
}

function allocateRowStatistics(rows: number): RowStatistics {
  return rowStatistics(
    () => allocate(Float32Array, rows, 'rows'),
    () => allocate(Int32Array, rows, 'rows'),
  );
}
