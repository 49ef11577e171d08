// One call of the loss as the facade hands it over, by name, and what has to be right before anything is written.

import type { NativeArray, NativeFault } from '../native/binding.js';
import { type ArrayField, CALL_FIELDS } from '../native/call-fields.js';
import { GRADIENT_MODES, type GradientMode } from '../options/options.js';
import { memoryOf, shareMemory, viewOf } from '../options/typed-arrays.js';
import { cutIntoBlocks, Layout, listedRows, type PackedRows, viewOfModule, writeOffsets } from './blocks.js';
import { type Invalid, REPORT_NUMBERS, readFault } from './checks.js';
import { reserve } from './module.js';
import type { Elements, Lists } from './rows.js';

/** Those that are read or changed here; the module reads the others. */
export type NumberName =
  | 'rows'
  | 'vocabSize'
  | 'rowStride'
  | 'dtype'
  | 'gradient'
  | 'gradRowStride'
  | 'gradIsNew'
  | 'beamWidth'
  | 'ignoreIndex'
  | 'reduction';
export const numberIndex = Object.fromEntries(CALL_FIELDS.numbers.map((name, index) => [name, index])) as Record<
  NumberName,
  number
>;
export const arrayIndex = Object.fromEntries(CALL_FIELDS.arrays.map((name, index) => [name, index])) as Record<
  ArrayField,
  number
>;

/** Numbers of a call, changed in a few places. */
export function withNumbers(numbers: Float64Array, changes: Partial<Record<NumberName, number>>): Float64Array {
  const changed = Float64Array.from(numbers);
  for (const [name, value] of Object.entries(changes)) changed[numberIndex[name as NumberName]] = value;
  return changed;
}

export interface LossCall {
  numbers: Float64Array;
  rows: number;
  vocabSize: number;
  rowStride: number;
  ignoreIndex: number;
  /** As the module counts them: an element of GRADIENT. */
  gradient: number;
  gradRowStride: number;
  gradIsNew: boolean;
  logits: Elements;
  targets: Int32Array;
  gradLogits: Elements | undefined;
  lists: Lists | undefined;
  bitmask: Uint32Array | undefined;
  /** Words of one row of the bitmask. */
  bitmaskWords: number;
  arrays: Partial<Record<ArrayField, NativeArray>>;
}

const modeNumber = (mode: GradientMode) => GRADIENT_MODES.indexOf(mode);

/** The modes of the gradient, as they cross. */
export const GRADIENT = {
  none: modeNumber('none'),
  outOfPlace: modeNumber('out-of-place'),
  inPlace: modeNumber('in-place'),
  inPlaceSparse: modeNumber('in-place-sparse'),
  sparse: modeNumber('sparse'),
};

export const VIEW_TYPES = { Float32Array, Uint16Array, Int32Array, Uint32Array };

/** The same elements without anything that a program may have done to the array. */
export function cleanView<View extends NativeArray>(array: View, type: keyof typeof VIEW_TYPES): View {
  return viewOf(VIEW_TYPES[type] as unknown as new (m: ArrayBufferLike, o: number, l: number) => View, array);
}

const ELEMENT_TYPES = ['Float32Array', 'Uint16Array', 'Uint16Array'] as const;

/** The array that holds elements of a dtype. */
export function elementType(dtype: number): 'Float32Array' | 'Uint16Array' {
  return ELEMENT_TYPES[dtype] as 'Float32Array' | 'Uint16Array';
}

export function readLossCall(numbers: Float64Array, given: (NativeArray | undefined)[]): LossCall {
  const number = (name: NumberName) => numbers[numberIndex[name]] as number;
  const elements = elementType(number('dtype'));
  const arrays: Partial<Record<ArrayField, NativeArray>> = {};
  for (const name of CALL_FIELDS.arrays) {
    const array = given[arrayIndex[name]];
    if (array !== undefined) arrays[name] = cleanView(array, typeOfField(name, elements));
  }
  const rows = number('rows');
  const offsets = arrays.allowedOffsets as Int32Array | undefined;
  return {
    numbers: Float64Array.from(numbers),
    rows,
    vocabSize: number('vocabSize'),
    rowStride: number('rowStride'),
    ignoreIndex: number('ignoreIndex'),
    gradient: number('gradient'),
    gradRowStride: number('gradRowStride'),
    gradIsNew: number('gradIsNew') !== 0,
    logits: arrays.logits as Elements,
    targets: arrays.targets as Int32Array,
    gradLogits: arrays.gradLogits as Elements | undefined,
    lists: offsets && { offsets, tokens: arrays.allowedTokens as Int32Array },
    bitmask: arrays.allowedBitmask as Uint32Array | undefined,
    bitmaskWords: Math.ceil(number('vocabSize') / 32),
    arrays,
  };
}

/** The type of an array of a call, whose logits and gradient have these elements. */
export function typeOfField(name: ArrayField, elements: 'Float32Array' | 'Uint16Array'): keyof typeof VIEW_TYPES {
  switch (name) {
    case 'logits':
    case 'gradLogits':
      return elements;
    case 'targets':
    case 'allowedOffsets':
    case 'allowedTokens':
    case 'rank':
      return 'Int32Array';
    case 'allowedBitmask':
      return 'Uint32Array';
    default:
      return 'Float32Array';
  }
}

/** Elements from the start of the first row to the end of the last. */
function spanOf(rows: number, length: number, stride: number): number {
  return rows === 0 ? 0 : (rows - 1) * stride + length;
}

/**
 * The public name of an input that the gradient would be written over; undefined: none. A gradient that lies exactly on
 * the logits is in place. Of targets and constraint the facade makes copies, and looks itself.
 */
export function findOverlap(call: LossCall): string | undefined {
  const { rows, vocabSize, rowStride, gradRowStride, logits, gradLogits, arrays } = call;
  if (call.gradient === GRADIENT.none || gradLogits === undefined) return undefined;
  const isSparse = call.gradient === GRADIENT.sparse;
  const span = isSparse ? (call.lists?.tokens.length ?? 0) : spanOf(rows, vocabSize, gradRowStride);
  // Or where it lies in other memory, at the same place.
  const isInPlace =
    !isSparse &&
    memoryOf(gradLogits).byteOffset === memoryOf(logits).byteOffset &&
    (gradRowStride === rowStride || rows <= 1);
  if (!isInPlace && shareMemory(gradLogits, span, logits, spanOf(rows, vocabSize, rowStride))) return 'logits';
  const inputs = { tokenWeights: 'tokenWeights', penaltyWeights: 'penaltyWeights', gradOutputRows: 'gradOutput' };
  for (const [name, publicName] of Object.entries(inputs)) {
    const array = arrays[name as ArrayField];
    if (array !== undefined && shareMemory(gradLogits, span, array, rows)) return publicName;
  }
  return undefined;
}

/**
 * find_offsets_fault of native/core/validate_problem.cc: rows can be cut into blocks only where the offsets are sound.
 */
export function findOffsetsFault(offsets: Int32Array, tokenCount: number): Invalid | undefined {
  const invalid = (fault: NativeFault, row: number, value: number): Invalid => ({
    status: 'invalid',
    fault,
    row,
    value,
  });
  const rows = offsets.length - 1;
  const first = offsets[0] as number;
  if (first !== 0) return invalid('allowed-offsets-range', rows > 0 ? 0 : -1, first);
  for (let row = 0; row < rows; row++) {
    const end = offsets[row + 1] as number;
    if (end < (offsets[row] as number)) return invalid('allowed-offsets-not-ascending', row, end);
    if (end > tokenCount) return invalid('allowed-offsets-range', row, end);
  }
  const last = offsets[rows] as number;
  return last === tokenCount ? undefined : invalid('allowed-offsets-range', rows - 1, last);
}

/** The first fault of targets and constraint in row order, or how many rows count; undefined: no memory to look. */
export function inspectLossCall(call: LossCall, faultNames: readonly string[]): Invalid | number | undefined {
  const { lists, rows } = call;
  const offsetsFault = lists && findOffsetsFault(lists.offsets, lists.tokens.length);
  // What comes before a row whose end is wrong can be read, and its faults come first.
  const readable = offsetsFault ? Math.max(0, offsetsFault.row) : rows;
  const found = inspectRows(call, readable, faultNames);
  return typeof found === 'number' ? (offsetsFault ?? found) : found;
}

function inspectRows(call: LossCall, count: number, faultNames: readonly string[]): Invalid | number | undefined {
  const { lists, bitmask, bitmaskWords, targets } = call;
  const perRow = bitmask ? bitmaskWords : 1;
  const packed: PackedRows = lists
    ? { ...listedRows(lists.offsets), count }
    : { count, start: (row: number) => row * perRow };
  const { bounds, mostRows, mostElements } = cutIntoBlocks(packed);
  const layout = new Layout();
  const numbersAt = layout.place(8 * call.numbers.length);
  const arraysAt = layout.place(4 * CALL_FIELDS.arrays.length);
  const reportAt = layout.place(8 * REPORT_NUMBERS);
  const targetsAt = layout.place(4 * mostRows);
  const offsetsAt = layout.place(4 * (mostRows + 1));
  const elementsAt = layout.place(4 * mostElements);
  const memory = reserve({ bytes: layout.bytes, longestRow: 0, isMasked: false, width: 0 });
  if (memory === undefined) return undefined;
  const { wasm, base } = memory;
  let counted = 0;
  for (let block = 0; block + 1 < bounds.length; block++) {
    const begin = bounds[block] as number;
    const end = bounds[block + 1] as number;
    const first = packed.start(begin);
    const numbers = withNumbers(call.numbers, { rows: end - begin });
    viewOfModule(wasm, 'Float64Array', base + numbersAt, numbers.length).set(numbers);
    viewOfModule(wasm, 'Int32Array', base + targetsAt, end - begin).set(targets.subarray(begin, end));
    const pointers = viewOfModule(wasm, 'Uint32Array', base + arraysAt, CALL_FIELDS.arrays.length).fill(0);
    pointers[arrayIndex.targets] = base + targetsAt;
    if (lists) {
      writeOffsets(wasm, base + offsetsAt, packed, begin, end);
      const tokens = lists.tokens.subarray(first, packed.start(end));
      viewOfModule(wasm, 'Int32Array', base + elementsAt, tokens.length).set(tokens);
      pointers[arrayIndex.allowedOffsets] = base + offsetsAt;
      pointers[arrayIndex.allowedTokens] = base + elementsAt;
    } else if (bitmask) {
      const words = bitmask.subarray(first, packed.start(end));
      viewOfModule(wasm, 'Uint32Array', base + elementsAt, words.length).set(words);
      pointers[arrayIndex.allowedBitmask] = base + elementsAt;
    }
    const report = viewOfModule(wasm, 'Float64Array', base + reportAt, REPORT_NUMBERS).fill(0);
    wasm.find_fault(base + numbersAt, base + arraysAt, packed.start(end) - first, base + reportAt);
    const fault = readFault(wasm, base + reportAt, faultNames, begin);
    if (fault !== undefined) return fault;
    counted += report[REPORT_NUMBERS - 1] as number;
  }
  return counted;
}
