// The loss on the module: at once, or in slices between which the event loop turns.

import type { NativeArray, NativeOutcome } from '../native/binding.js';
import { lengthOf } from '../options/typed-arrays.js';
import { evenRows, listedRows } from './blocks.js';
import { arrayIndex, findOverlap, GRADIENT, inspectLossCall, type LossCall, readLossCall } from './loss-call.js';
import { LossRun } from './loss-run.js';
import { OUT_OF_MEMORY, whileModuleHasMemory } from './module.js';
import { DenseRows, type Elements, ListedRows, PackedArray, type RowReader, type RowWriter } from './rows.js';
import { enqueue, isAborted, type SlicedCall } from './slices.js';

/** Logits between two turns of the event loop, in whole blocks: about a millisecond. */
const SLICE_ELEMENTS = 1 << 17;

export function computeLoss(
  numbers: Float64Array,
  arrays: (NativeArray | undefined)[],
  faultNames: readonly string[],
): NativeOutcome {
  return whileModuleHasMemory(() => {
    const call = readLossCall(numbers, arrays);
    const counted = inspect(call, faultNames);
    if (typeof counted !== 'number') return counted;
    const run = new LossRun(call, counted, readerOf(call), writerOf(call));
    if (!run.prepare()) return OUT_OF_MEMORY;
    while (!run.isDone) run.step();
    return outcomeOf(run);
  });
}

/**
 * Copies the inputs before it returns; a new gradient is written as it comes, any other when all is done. Targets and
 * constraint are copies of the facade's.
 */
export function computeLossAsync(
  numbers: Float64Array,
  arrays: (NativeArray | undefined)[],
  abortFlag: Int32Array | undefined,
  done: (outcome: NativeOutcome) => void,
  faultNames: readonly string[],
): NativeOutcome | undefined {
  let job: AsyncLoss | undefined;
  const outcome = whileModuleHasMemory((): NativeOutcome | undefined => {
    const call = readLossCall(numbers, arrays);
    const counted = inspect(call, faultNames);
    if (typeof counted !== 'number') return counted;
    job = AsyncLoss.of(call, counted, arrays, abortFlag);
    return job ? undefined : { status: 'out-of-memory' };
  });
  if (outcome !== undefined) return outcome;
  enqueue(job as AsyncLoss, done);
  return undefined;
}

function inspect(call: LossCall, faultNames: readonly string[]): NativeOutcome | number {
  const input = findOverlap(call);
  if (input !== undefined) return { status: 'overlap', input };
  return inspectLossCall(call, faultNames) ?? OUT_OF_MEMORY;
}

function outcomeOf(run: LossRun): NativeOutcome {
  return { status: 'done', ...run.totals() };
}

function readerOf({ logits, vocabSize, rowStride, lists }: LossCall): RowReader {
  return lists ? new ListedRows(logits, rowStride, lists, 0) : new DenseRows(logits, vocabSize, rowStride);
}

function writerOf(call: LossCall): RowWriter | undefined {
  const { gradient, gradLogits, vocabSize, gradRowStride, lists } = call;
  if (gradient === GRADIENT.none || gradLogits === undefined) return undefined;
  if (!lists) return new DenseRows(gradLogits, vocabSize, gradRowStride);
  if (gradient === GRADIENT.sparse) return new PackedArray(gradLogits, listedRows(lists.offsets).start);
  return new ListedRows(gradLogits, gradRowStride, lists, gradient === GRADIENT.inPlaceSparse ? 0 : vocabSize);
}

/** A call that owns its inputs. */
class AsyncLoss implements SlicedCall {
  /** Undefined: no memory for the copies. */
  static of(
    call: LossCall,
    counted: number,
    given: (NativeArray | undefined)[],
    abortFlag: Int32Array | undefined,
  ): AsyncLoss | undefined {
    try {
      return new AsyncLoss(call, counted, given, abortFlag);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  private readonly run: LossRun;
  private readonly packed: Elements;
  private readonly gradientLength: number;
  private isPrepared = false;

  private constructor(
    private readonly call: LossCall,
    counted: number,
    private readonly given: (NativeArray | undefined)[],
    private readonly abortFlag: Int32Array | undefined,
  ) {
    const { rows, vocabSize, lists, logits, arrays, gradLogits, gradIsNew } = call;
    const { start } = lists ? listedRows(lists.offsets) : evenRows(rows, vocabSize);
    const elements = start(rows);
    this.packed = logits instanceof Float32Array ? new Float32Array(elements) : new Uint16Array(elements);
    readerOf(call).read(0, rows, this.packed);
    const copies = { ...arrays };
    for (const name of ['tokenWeights', 'penaltyWeights', 'gradOutputRows'] as const) {
      if (arrays[name]) copies[name] = (arrays[name] as Float32Array).slice();
    }
    this.gradientLength = gradLogits ? gradLogits.length : 0;
    const own = new PackedArray(this.packed, start);
    const hasGradient = call.gradient !== GRADIENT.none;
    const writer = !hasGradient ? undefined : gradIsNew ? writerOf(call) : own;
    this.run = new LossRun({ ...call, logits: this.packed, arrays: copies }, counted, own, writer);
  }

  step(): NativeOutcome | undefined {
    if (isAborted(this.abortFlag)) return { status: 'aborted' };
    if (!this.isPrepared && !this.run.prepare()) return OUT_OF_MEMORY;
    this.isPrepared = true;
    for (let elements = 0; !this.run.isDone && elements < SLICE_ELEMENTS; ) elements += this.run.step() || 1;
    return this.run.isDone ? this.settle() : undefined;
  }

  private settle(): NativeOutcome {
    const { call } = this;
    if (call.gradient !== GRADIENT.none && !call.gradIsNew) {
      const gradient = this.given[arrayIndex.gradLogits] as Elements;
      if (lengthOf(gradient) !== this.gradientLength) return { status: 'detached' };
      writerOf(call)?.write(0, call.rows, this.packed);
    }
    return outcomeOf(this.run);
  }
}
