// Hidden states and weights as callers give them: flat arrays, or arrays with a shape.
import { assertAttached } from '../loss/arrays.js';
import { dtypesOfArray, nativeView, readDType } from '../loss/logits.js';
import { describe, fail, refuse } from '../options/errors.js';
import type { DType } from '../options/options.js';
import { checkMembers, readingError } from '../options/reading.js';
import { readShape } from '../options/shape.js';
import { lengthOf } from '../options/typed-arrays.js';

/** The arrays that hold hidden states and weights. A `Uint16Array` holds the bits of bfloat16 numbers. */
export type FactorArray = Float32Array | Uint16Array;

/** A matrix with a shape. The leading dimensions are flattened to its rows. */
export interface Tensor<A extends FactorArray = FactorArray> {
  data: A;
  /** [..., H] */
  shape: readonly number[];
  /** Default: that of `data`. Needed for a `Uint16Array`. */
  dtype?: DType;
}

/** A flat array, or one with a shape. */
export type Matrix<A extends FactorArray = FactorArray> = A | Tensor<A>;

/** A matrix as it was given, each member read once. */
export interface ReadMatrix {
  argument: string;
  view: FactorArray;
  dtype: 'float32' | 'bfloat16';
  /** Undefined for a flat array. */
  shape: readonly number[] | undefined;
}

export interface Shapes {
  rows: number;
  vocabSize: number;
  hiddenSize: number;
}

const TENSOR_NAMES = new Set(['data', 'shape', 'dtype']);

export function readMatrix(value: unknown, argument: string, dtypeOption: DType | undefined): ReadMatrix {
  const isFlat = ArrayBuffer.isView(value);
  const { data, shape, dtype } = isFlat
    ? { data: value as FactorArray, shape: undefined, dtype: undefined }
    : readTensor(value, argument);
  const dataArgument = isFlat ? argument : `${argument}.data`;
  dtypesOfArray(data, dataArgument);
  if (dtype !== undefined && dtypeOption !== undefined && dtype !== dtypeOption) {
    refuse('ERR_BEAR_OPTION_CONFLICT', 'dtype', `${describe(dtype)}, as ${argument} has it`, dtypeOption);
  }
  const found = readDType(
    data,
    dtype ?? dtypeOption,
    dataArgument,
    dtype === undefined ? 'dtype' : `${argument}.dtype`,
  );
  if (found === 'float16') {
    fail('ERR_BEAR_DTYPE', argument, 'float32 or bfloat16 numbers, as float16 ones overflow in products', 'float16');
  }
  assertAttached(data, dataArgument);
  return { argument, view: nativeView(data) as FactorArray, dtype: found, shape };
}

function readTensor(value: unknown, argument: string): Tensor {
  const what = 'a Float32Array or Uint16Array, or { data, shape, dtype? }';
  if (typeof value !== 'object' || value === null) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, what, value);
  try {
    const isTensor = 'data' in value && 'shape' in value;
    const { data, shape, dtype } = value as Tensor;
    if (!isTensor) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, what, value);
    checkMembers(value, argument, what, TENSOR_NAMES);
    return { data, shape: readShape(shape, `${argument}.shape`, 1), dtype } as Tensor;
  } catch (error) {
    throw readingError(error, value, argument);
  }
}

/**
 * N, V and H from the matrices and what the options say of them.
 *
 * @param rows N where the number of targets says it
 */
export function shapesOf(
  hidden: ReadMatrix,
  weight: ReadMatrix,
  rows: number | undefined,
  { hiddenSize, vocabSize }: { hiddenSize?: number | undefined; vocabSize?: number | undefined },
): Shapes {
  const size = hiddenSizeOf(hidden, weight, rows, hiddenSize);
  const hiddenRows = rowsOf(hidden, size);
  const tokens = rowsOf(weight, size);
  if (tokens === 0) fail('ERR_BEAR_SHAPE', 'weight', 'at least 1 token', '0');
  if (rows !== undefined && hiddenRows !== rows) {
    fail('ERR_BEAR_SHAPE', 'targets', `one for each of the ${hiddenRows} rows of hidden`, `${rows} targets`);
  }
  if (vocabSize !== undefined && vocabSize !== tokens) {
    refuse('ERR_BEAR_OPTION_CONFLICT', 'vocabSize', `${tokens}, as weight has it`, vocabSize);
  }
  if (hidden.dtype !== weight.dtype) {
    fail('ERR_BEAR_DTYPE', 'weight', `${hidden.dtype}, as hidden is`, weight.dtype);
  }
  return { rows: hiddenRows, vocabSize: tokens, hiddenSize: size };
}

function hiddenSizeOf(
  hidden: ReadMatrix,
  weight: ReadMatrix,
  rows: number | undefined,
  option: number | undefined,
): number {
  const said = [weight.shape?.at(-1), hidden.shape?.at(-1), option].filter((size) => size !== undefined);
  if (said.length === 0 && rows !== undefined && rows > 0) {
    const length = lengthOf(hidden.view);
    if (length > 0 && length % rows === 0) return length / rows;
  }
  const size = said[0];
  if (size === undefined) fail('ERR_BEAR_SHAPE', 'hiddenSize', 'a value beside flat arrays', 'none');
  const name = weight.shape === undefined ? hidden.argument : weight.argument;
  if (size === 0) fail('ERR_BEAR_SHAPE', name, 'at least 1 number in a hidden state', '0');
  if (option !== undefined && option !== size) {
    refuse('ERR_BEAR_OPTION_CONFLICT', 'hiddenSize', `${size}, as ${name} has it`, option);
  }
  return size;
}

/** Throws unless the matrix has rows of `columns` numbers, and as many as its shape says. */
function rowsOf({ argument, view, shape }: ReadMatrix, columns: number): number {
  const length = lengthOf(view);
  if (shape === undefined) {
    if (length % columns === 0) return length / columns;
    refuse('ERR_BEAR_SHAPE', argument, `rows of H = ${columns} elements`, view);
  }
  if (shape.at(-1) !== columns) {
    fail('ERR_BEAR_SHAPE', `${argument}.shape`, `rows of H = ${columns} elements`, `rows of ${shape.at(-1)}`);
  }
  const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  if (rows * columns === length) return rows;
  refuse('ERR_BEAR_SHAPE', `${argument}.data`, `${rows} rows of ${columns}: ${rows * columns} elements`, view);
}
