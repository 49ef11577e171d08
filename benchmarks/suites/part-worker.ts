// A worker thread that has a part of the vocabulary. It waits for the others by memory that all share, as a thread that waits
// for messages turns its event loop first.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type BearPartials, bearPartials, bearShardGradient, mergeBearPartials } from 'fused-bear-loss';

/** Places in the shared counters: steps begun, partials posted and gradients written, all since the beginning. */
export const counters = { begun: 0, posted: 1, finished: 2 } as const;

export interface PartInputs {
  logits: Float32Array;
  gradLogits: Float32Array;
  targets: Int32Array;
  shape: [rows: number, tokens: number];
  options: { firstToken: number; vocabSize: number; beamWidth: number; threads: number };
  /** To each of the other parts. */
  ports: MessagePort[];
  counts: Int32Array;
  /** Takes the loss, which is the same in every part. */
  loss: Float64Array;
}

/** Counts one more, and wakes all who wait for it. */
export function count(counts: Int32Array, counter: number): void {
  Atomics.add(counts, counter, 1);
  Atomics.notify(counts, counter);
}

export function waitFor(counts: Int32Array, counter: number, least: number): void {
  for (;;) {
    const found = Atomics.load(counts, counter);
    if (found >= least) return;
    Atomics.wait(counts, counter, found);
  }
}

function work({ logits, gradLogits, targets, shape, options, ports, counts, loss }: PartInputs): never {
  const part = { data: logits, shape };
  const parts = ports.length + 1;
  for (let step = 1; ; step++) {
    waitFor(counts, counters.begun, step);
    const own = bearPartials(part, targets, options);
    for (const port of ports) port.postMessage(own);
    count(counts, counters.posted);
    waitFor(counts, counters.posted, step * parts);
    const others = ports.map((port) => receiveMessageOnPort(port)?.message as BearPartials);
    const merged = mergeBearPartials([own, ...others], options);
    loss[0] = bearShardGradient(part, targets, merged, { ...options, out: { gradLogits } }).loss as number;
    count(counts, counters.finished);
  }
}

if (parentPort !== null) work(workerData as PartInputs);
