// topTokens on the module, in blocks of rows.
import type { NativeOutcome } from '../native/binding.js';
import { cutIntoBlocks, evenRows, Layout, listedRows, viewOfModule, writeOffsets } from './blocks.js';
import { findOverlap, REPORT_NUMBERS, readFault } from './checks.js';
import { cleanView, elementType, findOffsetsFault } from './loss-call.js';
import { OUT_OF_MEMORY, reserve } from './module.js';
import { DenseRows, type Elements, ListedRows, type Lists, PackedArray, type RowReader } from './rows.js';

/** The constraint, and what is written. */
export interface SelectionArrays {
  offsets: Int32Array | undefined;
  allowedTokens: Int32Array | undefined;
  bitmask: Uint32Array | undefined;
  tokens: Int32Array;
  logProbabilities: Float32Array;
  logSumExp: Float32Array;
}

export interface TopTokensArrays extends SelectionArrays {
  logits: Elements;
}

export function computeTopTokens(
  numbers: Float64Array,
  given: TopTokensArrays,
  faultNames: readonly string[],
): NativeOutcome | undefined {
  const [rows, vocabSize, rowStride, dtype, beamWidth, , , isListed] = numbers as unknown as number[] & [number];
  const width = beamWidth as number;
  const length = vocabSize as number;
  const type = elementType(dtype as number);
  const logits = cleanView(given.logits, type);
  const tokens = cleanView(given.tokens, 'Int32Array');
  const logProbabilities = cleanView(given.logProbabilities, 'Float32Array');
  const logSumExp = cleanView(given.logSumExp, 'Float32Array');
  const lists: Lists | undefined = given.offsets && {
    offsets: given.offsets,
    tokens: given.allowedTokens as Int32Array,
  };
  const { bitmask } = given;

  const logitCount = isListed ? logits.length : rows === 0 ? 0 : (rows - 1) * (rowStride as number) + length;
  // Of the constraint the facade makes copies, and looks itself.
  const input = findOverlap(
    [
      { name: 'out.tokens', array: tokens, elements: rows * width },
      { name: 'out.logProbabilities', array: logProbabilities, elements: rows * width },
      { name: 'out.logSumExp', array: logSumExp, elements: rows },
    ],
    [{ name: 'logits', array: logits, elements: logitCount }],
  );
  if (input !== undefined) return { status: 'overlap', input };
  const fault = lists && findListFault(lists, length, faultNames);
  if (fault !== undefined) return fault;

  const packedRows = lists ? listedRows(lists.offsets) : evenRows(rows, length);
  const reader: RowReader = isListed
    ? new PackedArray(logits, packedRows.start)
    : lists
      ? new ListedRows(logits, rowStride as number, lists, 0)
      : new DenseRows(logits, length, rowStride as number);
  // Results beyond a row's length take memory too.
  const perRow = Math.max(1, width);
  const { bounds, mostRows, mostElements, longestRow } = cutIntoBlocks({
    count: rows,
    start: (row) => packedRows.start(row) + row * perRow,
  });
  const words = Math.ceil(length / 32);
  const layout = new Layout();
  const numbersAt = layout.place(8 * numbers.length);
  const logitsAt = layout.place(logits.BYTES_PER_ELEMENT * mostElements);
  const wideAt = layout.place(logits.BYTES_PER_ELEMENT === 2 ? 4 * mostElements : 0);
  const offsetsAt = layout.place(lists ? 4 * (mostRows + 1) : 0);
  const allowedAt = layout.place(lists ? 4 * mostElements : 0);
  const bitmaskAt = layout.place(bitmask ? 4 * mostRows * words : 0);
  const tokensAt = layout.place(4 * mostRows * width);
  const probabilitiesAt = layout.place(4 * mostRows * width);
  const sumsAt = layout.place(4 * mostRows);

  const memory = reserve({ bytes: layout.bytes, longestRow, isMasked: bitmask !== undefined, width });
  if (memory === undefined) return OUT_OF_MEMORY;
  const { wasm, base } = memory;
  for (let block = 0; block + 1 < bounds.length; block++) {
    const begin = bounds[block] as number;
    const end = bounds[block + 1] as number;
    const count = end - begin;
    const first = packedRows.start(begin);
    const elements = packedRows.start(end) - first;
    const blockNumbers = viewOfModule(wasm, 'Float64Array', base + numbersAt, numbers.length);
    blockNumbers.set(numbers);
    blockNumbers[0] = count;
    reader.read(begin, end, viewOfModule(wasm, type, base + logitsAt, elements));
    if (lists) {
      writeOffsets(wasm, base + offsetsAt, packedRows, begin, end);
      const allowed = lists.tokens.subarray(first, first + elements);
      viewOfModule(wasm, 'Int32Array', base + allowedAt, elements).set(allowed);
    }
    if (bitmask) {
      const masks = bitmask.subarray(begin * words, end * words);
      viewOfModule(wasm, 'Uint32Array', base + bitmaskAt, masks.length).set(masks);
    }
    wasm.top_tokens(
      base + numbersAt,
      base + logitsAt,
      base + wideAt,
      lists ? base + offsetsAt : 0,
      lists ? base + allowedAt : 0,
      bitmask ? base + bitmaskAt : 0,
      longestRow,
      base + tokensAt,
      base + probabilitiesAt,
      base + sumsAt,
    );
    tokens.set(viewOfModule(wasm, 'Int32Array', base + tokensAt, count * width), begin * width);
    const found = viewOfModule(wasm, 'Float32Array', base + probabilitiesAt, count * width);
    logProbabilities.set(found, begin * width);
    logSumExp.set(viewOfModule(wasm, 'Float32Array', base + sumsAt, count), begin);
  }
  return undefined;
}

/** The first fault of the lists in row order. */
function findListFault(
  { offsets, tokens }: Lists,
  vocabSize: number,
  faultNames: readonly string[],
): NativeOutcome | undefined {
  const offsetsFault = findOffsetsFault(offsets, tokens.length);
  const count = offsetsFault ? Math.max(0, offsetsFault.row) : offsets.length - 1;
  const packed = { ...listedRows(offsets), count };
  const { bounds, mostRows, mostElements } = cutIntoBlocks(packed);
  const layout = new Layout();
  const reportAt = layout.place(8 * REPORT_NUMBERS);
  const offsetsAt = layout.place(4 * (mostRows + 1));
  const tokensAt = layout.place(4 * mostElements);
  const memory = reserve({ bytes: layout.bytes, longestRow: 0, isMasked: false, width: 0 });
  if (memory === undefined) return OUT_OF_MEMORY;
  const { wasm, base } = memory;
  for (let block = 0; block + 1 < bounds.length; block++) {
    const begin = bounds[block] as number;
    const end = bounds[block + 1] as number;
    const first = packed.start(begin);
    writeOffsets(wasm, base + offsetsAt, packed, begin, end);
    const listed = tokens.subarray(first, packed.start(end));
    viewOfModule(wasm, 'Int32Array', base + tokensAt, listed.length).set(listed);
    wasm.find_constraint_fault(end - begin, vocabSize, base + offsetsAt, base + tokensAt, base + reportAt);
    const fault = readFault(wasm, base + reportAt, faultNames, begin);
    if (fault !== undefined) return fault;
  }
  return offsetsFault;
}
