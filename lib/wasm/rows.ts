// The copying of rows between a caller's arrays and packed ones.
export type Elements = Float32Array | Uint16Array;

export interface RowReader {
  /** Copies the rows [begin, end) into packed elements. */
  read(begin: number, end: number, packed: Elements): void;
}
export interface RowWriter {
  write(begin: number, end: number, packed: Elements): void;
}

/** The tokens that the rows of a matrix are made of. */
export interface Lists {
  offsets: Int32Array;
  tokens: Int32Array;
}

/** Whole rows of `length` elements, `stride` apart. */
export class DenseRows implements RowReader, RowWriter {
  constructor(
    private readonly matrix: Elements,
    private readonly length: number,
    private readonly stride: number,
  ) {}

  read(begin: number, end: number, packed: Elements): void {
    const { matrix, length, stride } = this;
    if (stride === length) {
      packed.set(matrix.subarray(begin * length, end * length));
      return;
    }
    for (let row = begin; row < end; row++) {
      packed.set(matrix.subarray(row * stride, row * stride + length), (row - begin) * length);
    }
  }

  write(begin: number, end: number, packed: Elements): void {
    const { matrix, length, stride } = this;
    if (stride === length) {
      matrix.set(packed, begin * length);
      return;
    }
    for (let row = begin; row < end; row++) {
      matrix.set(packed.subarray((row - begin) * length, (row - begin + 1) * length), row * stride);
    }
  }
}

/** The listed elements of rows that are `stride` apart. */
export class ListedRows implements RowReader, RowWriter {
  constructor(
    private readonly matrix: Elements,
    private readonly stride: number,
    private readonly lists: Lists,
    /** Elements of a row that writing sets to 0 first; 0: the entries outside of the lists stay. */
    private readonly cleared: number,
  ) {}

  read(begin: number, end: number, packed: Elements): void {
    const { matrix, stride } = this;
    const { offsets, tokens } = this.lists;
    const first = offsets[begin] as number;
    for (let row = begin; row < end; row++) {
      const last = offsets[row + 1] as number;
      for (let i = offsets[row] as number; i < last; i++) {
        packed[i - first] = matrix[row * stride + (tokens[i] as number)] as number;
      }
    }
  }

  write(begin: number, end: number, packed: Elements): void {
    const { matrix, stride, cleared } = this;
    const { offsets, tokens } = this.lists;
    const first = offsets[begin] as number;
    for (let row = begin; row < end; row++) {
      if (cleared > 0) matrix.fill(0, row * stride, row * stride + cleared);
      const last = offsets[row + 1] as number;
      for (let i = offsets[row] as number; i < last; i++) {
        matrix[row * stride + (tokens[i] as number)] = packed[i - first] as number;
      }
    }
  }
}

/** Rows that are packed already, wherever each begins. */
export class PackedArray implements RowReader, RowWriter {
  constructor(
    private readonly elements: Elements,
    private readonly start: (row: number) => number,
  ) {}

  read(begin: number, end: number, packed: Elements): void {
    packed.set(this.elements.subarray(this.start(begin), this.start(end)));
  }

  write(begin: number, _end: number, packed: Elements): void {
    this.elements.set(packed, this.start(begin));
  }
}
