// The computing of one call of the loss, block by block: all at once, or some blocks at a time.
import { type ArrayField, CALL_FIELDS } from '../native/call-fields.js';
import { REDUCTIONS } from '../options/options.js';
import {
  type Blocks,
  cutIntoBlocks,
  evenRows,
  Layout,
  listedRows,
  type PackedRows,
  viewOfModule,
  writeOffsets,
} from './blocks.js';
import { arrayIndex, elementType, GRADIENT, type LossCall, numberIndex, withNumbers } from './loss-call.js';
import { isUntouched, type ModuleExports, OutOfModuleMemory, type Reservation, reserve } from './module.js';
import type { RowReader, RowWriter } from './rows.js';

const ROW_INPUTS = ['tokenWeights', 'penaltyWeights', 'gradOutputRows'] as const;
const ROW_OUTPUTS = ['rowLosses', 'nll', 'logSumExp', 'threshold', 'margins', 'penalties', 'rank'] as const;

/** BlockTotals of native/wasm/module.cc. */
const SUMS = 6;

export interface LossTotals {
  loss: number;
  countedRows: number;
  prunedRows: number;
  topRankedRows: number;
  nonFiniteRows: number[];
}

export class LossRun {
  private readonly rows: PackedRows;
  private readonly blocks: Blocks;
  private readonly layout = new Layout();
  private readonly places: Record<'numbers' | 'arrays' | 'sums' | 'nonFinite' | 'offsets' | 'wide', number>;
  private readonly arrayPlaces: Partial<Record<ArrayField, number>> = {};
  private readonly numbers: Float64Array;
  // The gradient of the weighted mean needs a sum over all rows: then they are swept twice.
  private readonly passes: ('statistics' | 'gradient' | 'both')[];
  private readonly sums = new Float64Array(SUMS);
  private readonly nonFiniteRows: number[] = [];
  private divisor = 1;
  private next = 0;
  private reservation: Reservation | undefined;

  constructor(
    private readonly call: LossCall,
    private readonly countedRows: number,
    private readonly reader: RowReader,
    private readonly writer: RowWriter | undefined,
  ) {
    const { lists, rows, vocabSize, numbers, bitmask, bitmaskWords, arrays } = call;
    this.rows = lists ? listedRows(lists.offsets) : evenRows(rows, vocabSize);
    this.blocks = cutIntoBlocks(this.rows);
    const hasGradient = call.gradient !== GRADIENT.none;
    const isWeighted = numbers[numberIndex.reduction] === REDUCTION_WEIGHTED_MEAN;
    this.passes = !hasGradient ? ['statistics'] : isWeighted ? ['statistics', 'gradient'] : ['both'];
    // A listed row's target is a position in its list, and -1 where it is ignored.
    this.numbers = lists ? withNumbers(numbers, { ignoreIndex: -1 }) : numbers;

    const { layout, blocks } = this;
    const { mostRows, mostElements } = blocks;
    const isWide = call.logits.BYTES_PER_ELEMENT === 2;
    this.places = {
      numbers: layout.place(8 * numbers.length),
      arrays: layout.place(4 * CALL_FIELDS.arrays.length),
      sums: layout.place(8 * SUMS),
      nonFinite: layout.place(4 * mostRows),
      offsets: layout.place(lists ? 4 * (mostRows + 1) : 0),
      wide: layout.place(isWide ? 4 * mostElements : 0),
    };
    this.arrayPlaces.logits = layout.place(call.logits.BYTES_PER_ELEMENT * mostElements);
    this.arrayPlaces.targets = layout.place(4 * mostRows);
    for (const name of [...ROW_INPUTS, ...ROW_OUTPUTS]) {
      if (arrays[name] !== undefined) this.arrayPlaces[name] = layout.place(4 * mostRows);
    }
    if (bitmask) this.arrayPlaces.allowedBitmask = layout.place(4 * mostRows * bitmaskWords);
  }

  /** Whether the module has memory for every block of the call. Nothing has been written before that. */
  prepare(): boolean {
    return this.memory() !== undefined;
  }

  get isDone(): boolean {
    return this.next >= this.passes.length * this.blockCount;
  }

  /** Computes the next block; returns how many logits it had. */
  step(): number {
    const block = this.next % this.blockCount;
    const pass = this.passes[Math.floor(this.next / this.blockCount)] as (typeof this.passes)[number];
    const memory = this.memory();
    if (memory === undefined) throw new OutOfModuleMemory();
    const { wasm, base } = memory;
    if (block === 0) this.divisor = this.reductionDivisor(wasm, base);
    const begin = this.blocks.bounds[block] as number;
    const end = this.blocks.bounds[block + 1] as number;
    this.compute(wasm, base, begin, end, pass);
    this.next++;
    return this.rows.start(end) - this.rows.start(begin);
  }

  totals(): LossTotals {
    const [loss, , countedRows, prunedRows, topRankedRows] = this.sums as unknown as number[];
    const isPerRow = this.numbers[numberIndex.reduction] === REDUCTION_NONE;
    return {
      loss: isPerRow || this.blockCount === 0 ? 0 : (loss as number) / this.lossDivisor(),
      countedRows: countedRows as number,
      prunedRows: prunedRows as number,
      topRankedRows: topRankedRows as number,
      nonFiniteRows: this.nonFiniteRows,
    };
  }

  private get blockCount(): number {
    return this.blocks.bounds.length - 1;
  }

  /** The same for all blocks, unless another call has used the module between two of them. */
  private memory(): Reservation | undefined {
    if (this.reservation === undefined || !isUntouched(this.reservation)) {
      this.reservation = reserve({
        bytes: this.layout.bytes,
        longestRow: this.blocks.longestRow,
        isMasked: this.call.bitmask !== undefined,
        width: this.numbers[numberIndex.beamWidth] as number,
      });
    }
    return this.reservation;
  }

  private lossDivisor(): number {
    const memory = this.memory();
    return memory === undefined ? Number.NaN : this.reductionDivisor(memory.wasm, memory.base);
  }

  private reductionDivisor(wasm: ModuleExports, base: number): number {
    viewOfModule(wasm, 'Float64Array', base + this.places.numbers, this.numbers.length).set(this.numbers);
    return wasm.divisor(base + this.places.numbers, this.countedRows, this.sums[1] as number);
  }

  private compute(
    wasm: ModuleExports,
    base: number,
    begin: number,
    end: number,
    pass: 'statistics' | 'gradient' | 'both',
  ): void {
    const { places, rows, call } = this;
    const { lists, arrays } = call;
    const count = end - begin;
    const first = rows.start(begin);
    const elements = rows.start(end) - first;
    const numbers = withNumbers(this.numbers, {
      rows: count,
      gradient: pass === 'statistics' ? GRADIENT.none : GRADIENT.inPlace,
    });
    viewOfModule(wasm, 'Float64Array', base + places.numbers, numbers.length).set(numbers);

    const pointers = viewOfModule(wasm, 'Uint32Array', base + places.arrays, CALL_FIELDS.arrays.length).fill(0);
    const point = (name: ArrayField) => {
      const pointer = base + (this.arrayPlaces[name] as number);
      pointers[arrayIndex[name]] = pointer;
      return pointer;
    };
    const logitsAt = point('logits');
    const logitsType = elementType(numbers[numberIndex.dtype] as number);
    const packed = viewOfModule(wasm, logitsType, logitsAt, elements);
    this.reader.read(begin, end, packed);
    this.writeTargets(viewOfModule(wasm, 'Int32Array', point('targets'), count), begin, end);
    for (const name of ROW_INPUTS) {
      const input = arrays[name] as Float32Array | undefined;
      if (input) viewOfModule(wasm, 'Float32Array', point(name), count).set(input.subarray(begin, end));
    }
    if (call.bitmask) {
      const words = call.bitmask.subarray(begin * call.bitmaskWords, end * call.bitmaskWords);
      viewOfModule(wasm, 'Uint32Array', point('allowedBitmask'), words.length).set(words);
    }
    const outputs = pass === 'gradient' ? [] : ROW_OUTPUTS.filter((name) => arrays[name] !== undefined);
    for (const name of outputs) point(name);
    if (lists) {
      writeOffsets(wasm, base + places.offsets, rows, begin, end);
    }
    const sums = viewOfModule(wasm, 'Float64Array', base + places.sums, SUMS);
    sums.set(pass === 'gradient' ? new Float64Array(SUMS) : this.sums);

    wasm.compute_rows(
      base + places.numbers,
      base + places.arrays,
      lists ? base + places.offsets : 0,
      this.blocks.longestRow,
      base + places.wide,
      this.divisor,
      base + places.sums,
      base + places.nonFinite,
    );

    if (pass !== 'statistics') this.writer?.write(begin, end, packed);
    if (pass === 'gradient') return;
    this.sums.set(sums);
    for (const row of viewOfModule(wasm, 'Int32Array', base + places.nonFinite, sums[SUMS - 1] as number)) {
      this.nonFiniteRows.push(begin + row);
    }
    for (const name of outputs) {
      const type = name === 'rank' ? 'Int32Array' : 'Float32Array';
      const values = viewOfModule(wasm, type, base + (this.arrayPlaces[name] as number), count);
      (arrays[name] as Float32Array | Int32Array).set(values, begin);
    }
  }

  private writeTargets(to: Int32Array, begin: number, end: number): void {
    const { targets, lists, ignoreIndex } = this.call;
    if (!lists) {
      to.set(targets.subarray(begin, end));
      return;
    }
    for (let row = begin; row < end; row++) {
      const target = targets[row] as number;
      to[row - begin] = target === ignoreIndex ? -1 : positionOf(target, lists.tokens, lists.offsets, row);
    }
  }
}

const REDUCTION_NONE = REDUCTIONS.indexOf('none');
const REDUCTION_WEIGHTED_MEAN = REDUCTIONS.indexOf('weighted-mean');

/** Of a token that the row's ascending list holds. */
function positionOf(token: number, tokens: Int32Array, offsets: Int32Array, row: number): number {
  const start = offsets[row] as number;
  let low = start;
  let high = offsets[row + 1] as number;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tokens[middle] as number) < token) low = middle + 1;
    else high = middle;
  }
  return low - start;
}
