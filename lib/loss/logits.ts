import type { CheckedOptions } from '../options/check-options.js';
import { describe, fail, refuse } from '../options/errors.js';
import { DTYPES, type DType, type LogitsArray } from '../options/options.js';
import { checkMembers, readingError } from '../options/reading.js';
import { readShape } from '../options/shape.js';
import { expectedNames } from '../options/suggest.js';
import { lengthOf, typedArrayName, viewOf } from '../options/typed-arrays.js';
import { assertAttached } from './arrays.js';

/** Logits with a shape: rows of V numbers, `rowStride` apart. The leading dimensions are flattened to N. */
export interface LogitsTensor<A extends LogitsArray = LogitsArray> {
  /** At least (N - 1) * rowStride + V elements and at most N * rowStride: take a subarray of what is longer. */
  data: A;
  /** [..., V] */
  shape: readonly number[];
  /** Default: that of `data`. Needed for a `Uint16Array`. */
  dtype?: DType;
  /** Elements from row to row, at least V, default V. */
  rowStride?: number;
}

/** A flat array of N * V logits, or one with a shape. */
export type Logits<A extends LogitsArray = LogitsArray> = A | LogitsTensor<A>;

/** Logits that have been found to hold `rows` rows of `vocabSize` numbers, `rowStride` apart. */
export interface CheckedLogits {
  /** The caller's array. */
  data: LogitsArray;
  /** The same memory, as the addon takes it. */
  view: Float32Array | Uint16Array;
  dtype: DType;
  rows: number;
  vocabSize: number;
  rowStride: number;
}

/** The kinds of array that hold logits, and the dtypes that each may hold. */
const DTYPES_OF_ARRAY: Record<string, readonly DType[]> = {
  Float32Array: ['float32'],
  Uint16Array: ['float16', 'bfloat16'],
  Float16Array: ['float16'],
};

/** Throws unless the array can hold logits; returns the dtypes that it may hold. */
export function dtypesOfArray(data: unknown, argument: string, expected = ARRAY_OF_LOGITS): readonly DType[] {
  return DTYPES_OF_ARRAY[typedArrayName(data) ?? ''] ?? refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, data);
}

const ARRAY_OF_LOGITS = 'a Float32Array, Uint16Array or Float16Array';

/** The bits of a Float16Array, which older versions of Node-API do not know; the other kinds as they are. */
export function nativeView(data: LogitsArray): Float32Array | Uint16Array {
  if (typedArrayName(data) !== 'Float16Array') return data as Float32Array | Uint16Array;
  return viewOf(Uint16Array, data);
}

/** What the reading of logits needs to know of the options. */
type LogitsOptions = Pick<CheckedOptions, 'vocabSize' | 'rowStride' | 'dtype'>;

/** `targetCount` is N where the logits come without a shape; undefined where the call has no targets. */
export function readLogits(logits: Logits, targetCount: number | undefined, options: LogitsOptions): CheckedLogits {
  if (ArrayBuffer.isView(logits)) return readFlat(logits, targetCount, options);
  return readTensor(logits, targetCount, options);
}

function readFlat(data: LogitsArray, targetCount: number | undefined, options: LogitsOptions): CheckedLogits {
  const dtype = readDType(data, options.dtype, 'logits', 'dtype');
  assertAttached(data, 'logits');
  const vocabSize = options.vocabSize ?? inferVocabSize(data, targetCount, options);
  const rowStride = options.rowStride ?? vocabSize;
  checkStride(rowStride, vocabSize, 'rowStride');
  const rows = targetCount ?? Math.ceil(lengthOf(data) / rowStride);
  checkExtent(data, rows, vocabSize, rowStride, 'logits');
  return { data, view: nativeView(data), dtype, rows, vocabSize, rowStride };
}

function inferVocabSize(data: LogitsArray, rows: number | undefined, { rowStride }: LogitsOptions): number {
  if (rows === undefined) {
    fail('ERR_BEAR_SHAPE', 'vocabSize', 'a value beside a flat array, or logits with a shape', 'none');
  }
  if (rows === 0) return rowStride ?? 1; // nothing to score, whatever V is
  if (rowStride !== undefined) fail('ERR_BEAR_SHAPE', 'vocabSize', 'a value beside rowStride', 'none');
  const length = lengthOf(data);
  if (length > 0 && length % rows === 0) return length / rows;
  refuse('ERR_BEAR_SHAPE', 'logits', `as many elements for each of the ${rows} targets, or a vocabSize`, data);
}

const TENSOR_NAMES = new Set(['data', 'shape', 'dtype', 'rowStride']);

function readTensor(tensor: LogitsTensor, targetCount: number | undefined, options: LogitsOptions): CheckedLogits {
  const { data, shape, dtype: ownDType, rowStride: ownStride } = readTensorMembers(tensor);
  const dtype = readDType(data, agreed(ownDType, options.dtype, 'dtype'), 'logits.data', 'logits.dtype');
  assertAttached(data, 'logits.data');
  const { rows, columns } = extentsOf(shape);
  const vocabSize = agreed(columns, options.vocabSize, 'vocabSize') as number;
  const givenStride = agreed(ownStride, options.rowStride, 'rowStride');
  const rowStride = givenStride === undefined ? vocabSize : givenStride;
  if (targetCount !== undefined && rows !== targetCount) {
    fail('ERR_BEAR_SHAPE', 'targets', `one for each of the ${rows} rows of logits`, `${targetCount} targets`);
  }
  checkExtent(data, rows, vocabSize, rowStride, 'logits.data');
  return { data, view: nativeView(data), dtype, rows, vocabSize, rowStride };
}

/** What the tensor and the option of the same name say together. */
function agreed<T>(ofTensor: T | undefined, ofOptions: T | undefined, name: string): T | undefined {
  if (ofTensor === undefined || ofOptions === undefined || ofTensor === ofOptions)
    return ofTensor === undefined ? ofOptions : ofTensor;
  refuse('ERR_BEAR_OPTION_CONFLICT', name, `${describe(ofTensor)}, as the logits have it`, ofOptions);
}

/** Each member read once, before any is checked: the last one's getter could take away what an earlier one gave. */
function readTensorMembers(tensor: LogitsTensor): LogitsTensor {
  const what = 'a Float32Array, Uint16Array or Float16Array, or { data, shape, dtype?, rowStride? }';
  if (typeof tensor !== 'object' || tensor === null) refuse('ERR_BEAR_ARGUMENT_TYPE', 'logits', what, tensor);
  try {
    const isTensor = 'data' in tensor && 'shape' in tensor;
    const { data, shape, dtype, rowStride } = tensor;
    if (!isTensor) refuse('ERR_BEAR_ARGUMENT_TYPE', 'logits', what, tensor);
    checkMembers(tensor, 'logits', what, TENSOR_NAMES);
    return { data, shape: readShape(shape, 'logits.shape', 1), dtype, rowStride } as LogitsTensor;
  } catch (error) {
    throw readingError(error, tensor, 'logits');
  }
}

function extentsOf(shape: readonly number[]): { rows: number; columns: number } {
  const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  return { rows, columns: shape.at(-1) as number };
}

export function readDType(data: LogitsArray, given: unknown, argument: string, dtypeArgument: string): DType {
  const possible = dtypesOfArray(data, argument);
  if (given !== undefined && !DTYPES.includes(given as DType)) {
    refuse('ERR_BEAR_OPTION_VALUE', dtypeArgument, expectedNames(given, DTYPES), given);
  }
  return chooseDType(data, possible, given, dtypeArgument);
}

/** The given one of the dtypes that an array may hold; without one, the only one. */
export function chooseDType<D>(data: ArrayBufferView, possible: readonly D[], given: unknown, argument: string): D {
  if (given === undefined && possible.length === 1) return possible[0] as D;
  if (possible.includes(given as D)) return given as D;
  const expected = `${possible.map((dtype) => `'${dtype}'`).join(' or ')} for a ${typedArrayName(data)}`;
  refuse('ERR_BEAR_DTYPE', argument, expected, given);
}

/** Throws unless the array holds the rows that it is said to hold. The last may end at V or at the stride. */
function checkExtent(data: LogitsArray, rows: number, vocabSize: number, rowStride: number, argument: string): void {
  if (vocabSize < 1) fail('ERR_BEAR_SHAPE', 'vocabSize', 'at least 1 token', '0');
  checkStride(rowStride, vocabSize, 'rowStride');
  const least = rowsExtent(rows, vocabSize, rowStride, argument);
  const most = rows * rowStride;
  const length = lengthOf(data);
  if (length >= least && length <= most) return;
  const padded = rowStride === vocabSize ? '' : `, ${rowStride} apart`;
  const elements = least === most ? least : `${least} to ${most}`;
  refuse('ERR_BEAR_SHAPE', argument, `${rows} rows of ${vocabSize}${padded}: ${elements} elements`, data);
}

/** Throws unless the stride is an integer that holds a row. */
export function checkStride(rowStride: unknown, vocabSize: number, argument: string): void {
  if (Number.isSafeInteger(rowStride) && (rowStride as number) >= vocabSize) return;
  refuse('ERR_BEAR_SHAPE', argument, `an integer of at least V = ${vocabSize}`, rowStride);
}

/** Elements from the start of the first row to the end of the last. */
export function rowsExtent(rows: number, vocabSize: number, rowStride: number, argument: string): number {
  if (rows * rowStride > Number.MAX_SAFE_INTEGER) {
    const expected = 'no more elements than an index can count (2^53 - 1)';
    fail('ERR_BEAR_SHAPE', argument, expected, `${rows} rows, ${rowStride} apart`);
  }
  return rows === 0 ? 0 : (rows - 1) * rowStride + vocabSize;
}
