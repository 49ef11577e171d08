/** One call of the loss as the contract describes it: run on the backend under test and compared with the reference. */
import type { BearLossOptions, BearLossResult } from '../../lib/index';
import { bearLossReference, type ReferenceOptions, type ReferenceResult } from '../reference/bear-loss-reference';
import { computeLoss } from './backend-under-test';
import { allocate, bytesOf, type DType, decode, decodeBits, encode, type LogitArray } from './dtype';
import { expectAllClose, expectClose, expectGradient, ORDINARY, type Tolerance } from './tolerance';

export interface LossCall {
  /** N rows, `rowStride` apart; the last row may end after `vocabSize`. */
  logits: LogitArray;
  dtype: DType;
  rows: number;
  vocabSize: number;
  /** Default `vocabSize`. */
  rowStride?: number;
  targets: Int32Array;
  options?: BearLossOptions;
}

/** A call over rows given as plain numbers, packed without padding. */
export function callOf(
  rows: readonly ArrayLike<number>[],
  targets: ArrayLike<number>,
  options: BearLossOptions = {},
  dtype: DType = 'float32',
): LossCall {
  const vocabSize = rows[0]?.length ?? 1;
  const logits = allocate(rows.length * vocabSize, dtype);
  rows.forEach((row, index) => {
    logits.set(encode(row, dtype), index * vocabSize);
  });
  return { logits, dtype, rows: rows.length, vocabSize, targets: Int32Array.from(targets), options };
}

/** The stored logits of each row as float64. Touches only the rows, never the padding between them. */
export function rowsOf(call: LossCall): Float64Array[] {
  const stride = call.rowStride ?? call.vocabSize;
  return Array.from({ length: call.rows }, (_, row) =>
    decode(call.logits.subarray(row * stride, row * stride + call.vocabSize), call.dtype),
  );
}

export function logitsArgument(call: LossCall) {
  return {
    data: call.logits,
    shape: [call.rows, call.vocabSize],
    dtype: call.dtype,
    ...(call.rowStride === undefined ? {} : { rowStride: call.rowStride }),
  };
}

export function runBackend(call: LossCall, overrides: BearLossOptions = {}): BearLossResult {
  return computeLoss(logitsArgument(call), call.targets, { rows: true, ...call.options, ...overrides });
}

export function runReference(call: LossCall, overrides: BearLossOptions = {}): ReferenceResult {
  return bearLossReference(rowsOf(call), call.targets, { ...call.options, ...overrides } as ReferenceOptions);
}

/** Runs a call on both sides, compares every output, and returns both results for further checks. */
export function expectAgreement(
  call: LossCall,
  tolerance: Tolerance = ORDINARY,
): { result: BearLossResult; reference: ReferenceResult } {
  const result = runBackend(call);
  return { result, reference: expectResult(result, call, tolerance) };
}

/** Compares every output of a call with the reference, which it returns. */
export function expectResult(result: BearLossResult, call: LossCall, tolerance: Tolerance): ReferenceResult {
  const reference = runReference(call);
  expectLoss(result.loss, reference.loss, tolerance);
  expectStatistics(result, reference, tolerance);
  if (call.options?.gradient !== false) {
    const unsmoothed = call.options?.labelSmoothing ? runReference(call, { labelSmoothing: 0 }).gradient : undefined;
    expectGradient(definedGradient(result), reference.gradient, call.dtype, call.vocabSize, tolerance, unsmoothed);
  }
  return reference;
}

export function expectLoss(actual: number | Float32Array, expected: number | Float64Array, tolerance: Tolerance): void {
  if (typeof expected === 'number') {
    if (typeof actual !== 'number') throw new Error('the loss is not a number');
    expectClose(actual, expected, tolerance.loss, 'loss');
  } else {
    expect(actual).toBeInstanceOf(Float32Array);
    expectAllClose(actual as Float32Array, Float32Array.from(expected), tolerance.loss, 'loss');
  }
}

/** Counts, row statistics and everything that is decided on raw logits, where no tolerance applies. */
export function expectStatistics(result: BearLossResult, reference: ReferenceResult, tolerance: Tolerance): void {
  expect({
    countedRows: result.countedRows,
    prunedRate: result.prunedRate,
    accuracy: result.accuracy,
    nonFiniteRows: Array.from(result.nonFiniteRows),
  }).toEqual({
    countedRows: reference.countedRows,
    prunedRate: reference.prunedRate,
    accuracy: reference.accuracy,
    nonFiniteRows: reference.nonFiniteRows,
  });
  if (result.rows === undefined) return;
  expect(Array.from(result.rows.rank)).toEqual(Array.from(reference.rows.rank));
  for (const name of ['nll', 'logSumExp', 'threshold', 'margin', 'penalty'] as const) {
    expect(result.rows[name]).toBeInstanceOf(Float32Array);
    // What passes float32 is infinite.
    const expected = Float32Array.from(reference.rows[name]);
    expectAllClose(result.rows[name] as Float32Array, expected, tolerance.loss, `rows.${name}`);
  }
}

export function definedGradient(result: BearLossResult): LogitArray {
  if (result.gradLogits === undefined) throw new Error('the result carries no gradient');
  return result.gradLogits as LogitArray;
}

/** One row of a stored gradient as float64. */
export function gradientRow(gradient: LogitArray, dtype: DType, row: number, vocabSize: number): number[] {
  return Array.from(gradient.subarray(row * vocabSize, (row + 1) * vocabSize), (stored) =>
    dtype === 'float32' ? stored : decodeBits(stored, dtype),
  );
}

/** Everything that a result says, as bytes: two results are the same bit for bit where these are equal. */
export function fingerprint(result: BearLossResult): Record<string, string> {
  const views: Record<string, ArrayBufferView | undefined> = {
    loss: typeof result.loss === 'number' ? Float64Array.of(result.loss) : (result.loss as Float32Array),
    gradLogits: result.gradLogits as LogitArray | undefined,
    counts: Float64Array.of(result.countedRows, result.prunedRate, result.accuracy, ...result.nonFiniteRows),
    ...(result.rows as Record<string, ArrayBufferView> | undefined),
  };
  return Object.fromEntries(
    Object.entries(views).flatMap(([name, view]) =>
      view === undefined ? [] : [[name, bytesOf(view).toString('base64')]],
    ),
  );
}
