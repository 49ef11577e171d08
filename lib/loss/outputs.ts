// Where the results go: arrays of the caller's, or new ones.

import type { CheckedOptions } from '../options/check-options.js';
import { bearError, describe } from '../options/errors.js';
import type { GradientMode, LogitsArray } from '../options/options.js';
import { lengthOf, typedArrayName } from '../options/typed-arrays.js';
import { allocate, assertAttached } from './arrays.js';
import { type CheckedLogits, checkStride, dtypesOfArray, rowsExtent } from './logits.js';

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

export function prepareOutputs(logits: CheckedLogits, options: CheckedOptions): Outputs {
  return {
    gradient: prepareGradient(logits, options),
    rowLosses: options.reduction === 'none' ? allocate(Float32Array, logits.rows, 'loss') : undefined,
    rows: options.rows ? allocateRowStatistics(logits.rows) : undefined,
  };
}

function prepareGradient(logits: CheckedLogits, { gradient, out }: CheckedOptions): GradientOutputs {
  const { rows, vocabSize } = logits;
  if (gradient === false) return { mode: 'none', data: undefined, rowStride: vocabSize, isNew: false };
  if (gradient !== true) return { mode: gradient, data: logits.data, rowStride: logits.rowStride, isNew: false };
  const rowStride = out?.rowStride ?? vocabSize;
  checkStride(rowStride, vocabSize, 'out.rowStride');
  const least = rowsExtent(rows, vocabSize, rowStride, 'out.gradLogits');
  const given = out?.gradLogits;
  if (given === undefined) {
    return { mode: 'out-of-place', data: allocateLike(logits.data, rows * rowStride), rowStride, isNew: true };
  }
  checkGradientArray(given, logits, least);
  return { mode: 'out-of-place', data: given, rowStride, isNew: false };
}

function checkGradientArray(given: LogitsArray, { data, dtype }: CheckedLogits, least: number): void {
  const argument = 'out.gradLogits';
  if (!dtypesOfArray(given, argument).includes(dtype)) {
    throw bearError('ERR_BEAR_DTYPE', {
      argument,
      expected: `a ${typedArrayName(data)}, as ${dtype} logits have`,
      received: describe(given),
    });
  }
  assertAttached(given, argument);
  if (lengthOf(given) >= least) return;
  throw bearError('ERR_BEAR_OUT_TOO_SMALL', {
    argument,
    expected: `at least ${least} elements`,
    received: describe(given),
  });
}

function allocateLike(data: LogitsArray, length: number): LogitsArray {
  const types = { Float32Array, Uint16Array, Float16Array: Reflect.get(globalThis, 'Float16Array') };
  const type = types[typedArrayName(data) as keyof typeof types] as new (length: number) => LogitsArray;
  return allocate(type, length, 'gradLogits');
}

function allocateRowStatistics(rows: number): RowStatistics {
  return {
    nll: allocate(Float32Array, rows, 'rows'),
    logSumExp: allocate(Float32Array, rows, 'rows'),
    threshold: allocate(Float32Array, rows, 'rows'),
    margin: allocate(Float32Array, rows, 'rows'),
    penalty: allocate(Float32Array, rows, 'rows'),
    rank: allocate(Int32Array, rows, 'rows'),
  };
}
