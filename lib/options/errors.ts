// One shape for every error that a bad argument causes, to the loss and to decoding.
import { cudaObjectName, describe } from './describe.js';

export { describe } from './describe.js';

/** Which error class goes with which code. Codes are stable; messages are not. */
const ERROR_CLASSES = {
  /** An argument of the wrong type or container. */
  ERR_BEAR_ARGUMENT_TYPE: TypeError,
  /** A dtype that is missing, or is not that of the array that holds the numbers. */
  ERR_BEAR_DTYPE: TypeError,
  /** Lengths, strides and shapes that do not fit each other. */
  ERR_BEAR_SHAPE: RangeError,
  /** An option that does not exist. */
  ERR_BEAR_OPTION_UNKNOWN: TypeError,
  /** An option's value that the option does not take. */
  ERR_BEAR_OPTION_VALUE: RangeError,
  /** Options that exclude each other, or one that would have no effect. */
  ERR_BEAR_OPTION_CONFLICT: TypeError,
  /** A target that is neither a token id nor ignoreIndex. */
  ERR_BEAR_TARGET_OUT_OF_RANGE: RangeError,
  /** A target that is not among the allowed tokens of its row. */
  ERR_BEAR_TARGET_NOT_ALLOWED: RangeError,
  /** CSR offsets that do not start at 0, that fall, or that do not end at the number of tokens. */
  ERR_BEAR_ALLOWED_OFFSETS: RangeError,
  /** Allowed ids of a row that are unsorted or repeated. */
  ERR_BEAR_ALLOWED_TOKENS_ORDER: RangeError,
  /** An allowed id that is no token. */
  ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE: RangeError,
  /** A counted row without any allowed token. */
  ERR_BEAR_ALLOWED_ROW_EMPTY: RangeError,
  /** `out` is too small. */
  ERR_BEAR_OUT_TOO_SMALL: RangeError,
  /** The gradient's memory overlaps an input other than exactly in place. */
  ERR_BEAR_OUT_OVERLAP: RangeError,
  /** A view whose buffer was transferred, detached or made smaller. */
  ERR_BEAR_BUFFER_DETACHED: TypeError,
  /** This build of the addon has no CUDA. */
  ERR_BEAR_CUDA_NOT_BUILT: RangeError,
  /** The machine has no NVIDIA driver. */
  ERR_BEAR_CUDA_UNAVAILABLE: RangeError,
  /** The NVIDIA driver is older than this addon needs. */
  ERR_BEAR_CUDA_DRIVER_TOO_OLD: RangeError,
  /** There is a driver, but no device that this process may use. */
  ERR_BEAR_CUDA_NO_DEVICE: RangeError,
  /** No device has the index. */
  ERR_BEAR_CUDA_DEVICE_NOT_FOUND: RangeError,
  /** The device's memory is full. */
  ERR_BEAR_CUDA_OUT_OF_MEMORY: RangeError,
  /** The host has no more page-locked memory to copy through. */
  ERR_BEAR_CUDA_OUT_OF_PINNED_MEMORY: RangeError,
  /** The device refused a kernel. */
  ERR_BEAR_CUDA_LAUNCH_FAILED: RangeError,
  /** Whatever else the CUDA runtime reports. */
  ERR_BEAR_CUDA_FAILED: RangeError,
  /**
   * Inputs, outputs and streams of one call that are not all on one device: also a tensor of a device that the main entry
   * is given, and arrays in host memory that `fused-bear-loss/cuda` is given.
   */
  ERR_BEAR_DEVICE_MISMATCH: TypeError,
  /** A tensor or stream after its `dispose()`. */
  ERR_BEAR_DISPOSED: TypeError,
  /** An address that is 0, misaligned, or not memory of the device. */
  ERR_BEAR_POINTER: RangeError,
  /** Memory for the call or its results cannot be had. */
  ERR_BEAR_OUT_OF_MEMORY: RangeError,
  /** The memory of the WebAssembly module cannot grow to what the call's longest row needs. */
  ERR_BEAR_WASM_OUT_OF_MEMORY: RangeError,
  /** A token or an item that is no integer in [0, 2^31). */
  ERR_BEAR_TOKEN: RangeError,
  /** A node that the trie does not have, as the -1 of a search that found nothing. */
  ERR_BEAR_TRIE_NODE: RangeError,
  /** Bytes that are not those of a trie, or were cut short or changed. */
  ERR_BEAR_TRIE_FORMAT: RangeError,
  /** An item that a catalogue would have twice. */
  ERR_BEAR_ITEM_REPEATED: RangeError,
  /** An item that the catalogue does not have. */
  ERR_BEAR_ITEM_UNKNOWN: RangeError,
  /** A sequence that is the beginning of another. */
  ERR_BEAR_SEQUENCE_PREFIX: RangeError,
  /** Numbers that have to be finite and are not. */
  ERR_BEAR_NOT_FINITE: RangeError,
  /** A call that the WebAssembly module does not have, where it computes in place of the addon. */
  ERR_BEAR_NATIVE_ONLY: RangeError,
  /** Parts of a vocabulary that do not have every token once, or a part that does not lie in it. */
  ERR_BEAR_PARTS_COVERAGE: RangeError,
  /** Parts of different calls: other targets, lists or options, or another version of the layout. */
  ERR_BEAR_PARTS_MISMATCH: RangeError,
  /** Numbers of a part that contradict one another, as fewer candidates than it has tokens. */
  ERR_BEAR_PARTIALS: RangeError,
  /** A rank that is neither an integer from 0 on nor -1. */
  ERR_BEAR_RANK: RangeError,
} as const;

export type BearErrorCode = keyof typeof ERROR_CLASSES;

/** Every code, for tests and documentation. */
export const BEAR_ERROR_CODES = Object.keys(ERROR_CLASSES) as readonly BearErrorCode[];

export interface BearErrorDetails {
  /** The argument or option, as `logits`, `beamWidth` or `allowed.tokens`. */
  argument: string;
  /** What would have been right. */
  expected: string;
  /** What came, in words. */
  received?: string;
  /** The first offending row, counted over the flattened leading dimensions. */
  row?: number;
}

/** A `TypeError` or `RangeError` with these properties. */
export interface BearLossError extends Error, BearErrorDetails {
  name: 'TypeError' | 'RangeError';
  code: BearErrorCode;
}

export function bearError(code: BearErrorCode, details: BearErrorDetails): BearLossError {
  // Without a prototype, to which a program may have added members of these names.
  const { argument, expected, received, row } = Object.assign(Object.create(null), details) as BearErrorDetails;
  const place = row === undefined ? '' : ` in row ${row}`;
  const came = received === undefined ? '' : `, received ${received}`;
  const error = new ERROR_CLASSES[code](`${argument}${place}: expected ${expected}${came}`);
  Error.captureStackTrace?.(error, bearError);
  return Object.assign(error, { code, ...details }) as BearLossError;
}

type ErrorArguments = [code: BearErrorCode, argument: string, expected: string, received?: string];

/** The error of an argument; `received` is what came, in words. */
export function argumentError(...[code, argument, expected, received]: ErrorArguments): BearLossError {
  return bearError(code, { argument, expected, ...(received !== undefined && { received }) });
}

/** Throws it. */
export function fail(...error: ErrorArguments): never {
  throw argumentError(...error);
}

/**
 * Throws the error of an argument that has the wrong value. An object of the entry `fused-bear-loss/cuda` is of the wrong
 * type because it is of the wrong entry.
 */
export function refuse(code: BearErrorCode, argument: string, expected: string, value: unknown): never {
  const isElsewhere = code === 'ERR_BEAR_ARGUMENT_TYPE' && cudaObjectName(value) !== undefined;
  return fail(isElsewhere ? 'ERR_BEAR_DEVICE_MISMATCH' : code, argument, expected, describe(value));
}
