// npm run bench -- --event-loop: how long a call keeps JavaScript from everything else. A synchronous call does so while it
// runs. An asynchronous one does so twice: until it returns, and when its result comes back. The longer of the two counts.
import { performance } from 'node:perf_hooks';
import * as workerThreads from 'node:worker_threads';
import Table from 'cli-table3';
import type { AsyncBearLossOptions, fusedBearLoss, fusedBearLossAsync } from 'fused-bear-loss';
import { type Shape, shapeName } from './cases';
import { type Measurement, summarize, time } from './harness';
import { fillNormal, seed, uniformGenerator } from './random-logits';
import { bufferCount } from './workspace';

/** Where the gradient goes. */
const gradients = ['a new array', 'out', 'in place'] as const;
type Gradient = (typeof gradients)[number];

/** What becomes of the caller's memory; `sync` is the synchronous call. */
const kinds = ['sync', 'copied', 'borrow: true', 'shared'] as const;
type Kind = (typeof kinds)[number];

export interface EventLoopOptions {
  shape: Shape;
  /** Of each contender, all calls of which but the first count: that one may collect the garbage of the one before. */
  turns: number;
  sync: typeof fusedBearLoss;
  async: typeof fusedBearLossAsync;
}

export interface EventLoopCase {
  gradient: Gradient;
  name: string;
  /** The longest time that the event loop stands still. */
  block: Measurement;
  /** From the call to its result. */
  total: Measurement;
}

/** As many arrays as rotate, all with the same numbers. */
function copies(values: Float32Array, shared: boolean): Float32Array[] {
  return Array.from({ length: bufferCount }, () => {
    const copy = shared ? new Float32Array(new SharedArrayBuffer(values.byteLength)) : new Float32Array(values.length);
    copy.set(values);
    return copy;
  });
}

class Contender {
  readonly blocks: number[] = [];
  readonly totals: number[] = [];
  readonly #logits: Float32Array[];
  readonly #gradLogits: Float32Array[];

  constructor(
    readonly gradient: Gradient,
    readonly kind: Kind,
    private readonly pristine: Float32Array,
    private readonly targets: Int32Array,
    private readonly calls: Pick<EventLoopOptions, 'sync' | 'async'>,
  ) {
    this.#logits = copies(pristine, kind === 'shared');
    this.#gradLogits = gradient === 'out' ? copies(pristine, kind === 'shared') : [];
  }

  /** What becomes of the memory: not every runtime can borrow it. */
  get name(): string {
    if (this.kind !== 'borrow: true') return this.kind;
    const isMarked: (buffer: ArrayBufferLike) => boolean =
      Reflect.get(workerThreads, 'isMarkedAsUntransferable') ?? (() => false);
    return isMarked((this.#logits[0] as Float32Array).buffer) ? this.kind : `${this.kind}, copied by this runtime`;
  }

  async run(buffer: number, counts: boolean): Promise<void> {
    const logits = this.#logits[buffer] as Float32Array;
    const options: AsyncBearLossOptions = this.kind === 'borrow: true' ? { borrow: true } : {};
    if (this.gradient === 'in place') {
      logits.set(this.pristine);
      options.gradient = 'in-place';
    } else if (this.gradient === 'out') {
      options.out = { gradLogits: this.#gradLogits[buffer] };
    }
    // What the preparation left to do.
    await new Promise(setImmediate);
    const start = performance.now();
    const block = await this.#call(logits, options);
    if (!counts) return;
    this.blocks.push(block);
    this.totals.push(performance.now() - start);
  }

  /** Milliseconds that the event loop stands still. */
  async #call(logits: Float32Array, options: AsyncBearLossOptions): Promise<number> {
    if (this.kind === 'sync') return time(() => this.calls.sync(logits, this.targets, options));
    let result: Promise<unknown> | undefined;
    const untilReturn = time(() => {
      result = this.calls.async(logits, this.targets, options);
    });
    const before = performance.eventLoopUtilization();
    await result;
    return Math.max(untilReturn, performance.eventLoopUtilization(before).active);
  }
}

export async function measureEventLoop({ shape, turns, ...calls }: EventLoopOptions): Promise<EventLoopCase[]> {
  const uniform = uniformGenerator(seed);
  const pristine = new Float32Array(shape.rows * shape.vocabSize);
  fillNormal(pristine, 3, uniform);
  const targets = Int32Array.from({ length: shape.rows }, () => Math.floor(uniform() * shape.vocabSize));
  const cases: EventLoopCase[] = [];
  for (const gradient of gradients) {
    const contenders = kinds.map((kind) => new Contender(gradient, kind, pristine, targets, calls));
    for (let turn = 0; turn <= turns; turn++) {
      for (const contender of contenders) {
        for (let buffer = 0; buffer < bufferCount; buffer++) await contender.run(buffer, turn > 0 && buffer > 0);
      }
    }
    for (const { name, blocks, totals } of contenders) {
      const [block, total] = [blocks, totals].map((samples) => summarize(name, samples));
      cases.push({ gradient, name, block, total } as EventLoopCase);
    }
  }
  return cases;
}

export function formatEventLoop(shape: Shape, cases: EventLoopCase[]): string {
  const table = new Table({
    head: ['gradient', 'call', 'event loop stands still, ms', '/ synchronous call', 'until the result, ms'],
    style: { head: [], border: [], compact: true },
  });
  const milliseconds = ({ percentile10, median }: Measurement) => `${percentile10.toFixed(2)} (${median.toFixed(2)})`;
  for (const { gradient, name, block, total } of cases) {
    const sync = cases.find((each) => each.gradient === gradient && each.name === 'sync')?.block as Measurement;
    const [low, middle] = [block.percentile10 / sync.percentile10, block.median / sync.median];
    table.push([
      gradient,
      name === 'sync' ? 'synchronous' : `asynchronous, ${name}`,
      milliseconds(block),
      `${low.toFixed(2)} (${middle.toFixed(2)})`,
      milliseconds(total),
    ]);
  }
  return `${shapeName(shape)}, float32; 10th percentile (median)\n${table.toString()}`;
}
