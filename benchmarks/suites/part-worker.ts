// A worker thread that has a part of the vocabulary and exchanges partials as examples/vocabulary-parallel does.
import { parentPort, workerData } from 'node:worker_threads';
import { bearPartials, bearShardGradient, mergeBearPartials } from 'fused-bear-loss';

type Exchange = typeof import('../../examples/vocabulary-parallel/shared-exchange.mjs');

/** In memory that all parts and the main thread share, a counter each: since the beginning. */
export interface StepCounters {
  begun: Int32Array;
  /** Parts that are there, which begin when all are: as after the product that gave them their logits. */
  ready: Int32Array;
  finished: Int32Array;
}

export interface PartInputs {
  part: number;
  parts: number;
  logits: Float32Array;
  gradLogits: Float32Array;
  targets: Int32Array;
  shape: [rows: number, tokens: number];
  options: { firstToken: number; vocabSize: number; beamWidth: number; threads: number };
  memory: ReturnType<Exchange['shareMemory']>;
  counters: StepCounters;
  /** Of each part: milliseconds of the step. */
  milliseconds: Float64Array;
  /** Takes the loss, which is the same in every part. */
  loss: Float64Array;
}

async function work({ part, parts, logits, gradLogits, targets, shape, options, ...shared }: PartInputs) {
  const { SharedExchange, count, waitFor } = await import('../../examples/vocabulary-parallel/shared-exchange.mjs');
  const { counters, milliseconds, loss } = shared;
  const exchange = new SharedExchange(shared.memory, part);
  const data = { data: logits, shape };
  const gradientOptions = { ...options, out: { gradLogits } };
  for (let step = 1; ; step++) {
    waitFor(counters.begun, step);
    count(counters.ready);
    waitFor(counters.ready, step * parts);
    const began = performance.now();
    const merged = mergeBearPartials(exchange.exchange(bearPartials(data, targets, options)), options);
    loss[0] = bearShardGradient(data, targets, merged, gradientOptions).loss as number;
    milliseconds[part] = performance.now() - began;
    count(counters.finished);
  }
}

if (parentPort !== null) void work(workerData as PartInputs);
