// Rows in blocks, and where a block's arrays lie in the module's memory.
import type { ModuleExports } from './module.js';

/** Logits of a block: 1 MB of float32, which a second-level cache holds. A longer row is a block of its own. */
const BLOCK_ELEMENTS = 1 << 18;
const BLOCK_ROWS = 1 << 14;

/** Rows one after the other, each with as many elements as its own start and the next one's tell. */
export interface PackedRows {
  count: number;
  /** Where a row begins; also of the row after the last. */
  start(row: number): number;
}

/** Rows of the same length. */
export function evenRows(count: number, length: number): PackedRows {
  return { count, start: (row) => row * length };
}

/** Rows as lists: row i from offsets[i] to offsets[i + 1]. */
export function listedRows(offsets: Int32Array): PackedRows {
  return { count: offsets.length - 1, start: (row) => offsets[row] as number };
}

export interface Blocks {
  /** Block i has the rows from bounds[i] to bounds[i + 1]. */
  bounds: number[];
  /** Of the block that has most, and of the longest row. */
  mostRows: number;
  mostElements: number;
  longestRow: number;
}

export function cutIntoBlocks(rows: PackedRows): Blocks {
  const blocks: Blocks = { bounds: [0], mostRows: 0, mostElements: 0, longestRow: 0 };
  let first = 0;
  const close = (end: number) => {
    blocks.bounds.push(end);
    blocks.mostRows = Math.max(blocks.mostRows, end - first);
    blocks.mostElements = Math.max(blocks.mostElements, rows.start(end) - rows.start(first));
    first = end;
  };
  for (let row = 0; row < rows.count; row++) {
    const end = rows.start(row + 1);
    blocks.longestRow = Math.max(blocks.longestRow, end - rows.start(row));
    const isFull = row - first >= BLOCK_ROWS || end - rows.start(first) > BLOCK_ELEMENTS;
    if (isFull && row > first) close(row);
  }
  if (rows.count > first) close(rows.count);
  return blocks;
}

/** Gives out places in a block's memory. */
export class Layout {
  /** What has been given out. */
  bytes = 0;

  /** A place for so many bytes, relative to the memory's start. */
  place(bytes: number): number {
    const start = this.bytes;
    this.bytes += Math.ceil(bytes / 64) * 64;
    return start;
  }
}

interface ViewTypes {
  Float64Array: Float64Array;
  Float32Array: Float32Array;
  Int32Array: Int32Array;
  Uint32Array: Uint32Array;
  Uint16Array: Uint16Array;
}
const VIEWS = { Float64Array, Float32Array, Int32Array, Uint32Array, Uint16Array };

/** A view of the module's memory, for at once: the memory moves when it grows. */
export function viewOfModule<Name extends keyof ViewTypes>(
  { memory }: ModuleExports,
  type: Name,
  pointer: number,
  length: number,
): ViewTypes[Name] {
  return new (VIEWS[type] as unknown as new (memory: ArrayBuffer, start: number, length: number) => ViewTypes[Name])(
    memory.buffer,
    pointer,
    length,
  );
}

/** Writes where each row of [begin, end) begins within a block that starts with the first of them, and where the last ends. */
export function writeOffsets(wasm: ModuleExports, pointer: number, rows: PackedRows, begin: number, end: number): void {
  const offsets = viewOfModule(wasm, 'Int32Array', pointer, end - begin + 1);
  const first = rows.start(begin);
  for (let row = begin; row <= end; row++) offsets[row - begin] = rows.start(row) - first;
}
