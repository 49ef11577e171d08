// npm run bench -- --suite parallel: a vocabulary in parts, each in a worker thread, beside one process with as many threads.
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { bearPartials, fusedBearLoss } from 'fused-bear-loss';
import { threadsName } from '../cases';
import { logitsOf, targetsOf, touched } from './inputs';
import type { PartInputs, StepCounters } from './part-worker';
import { ratioOf } from './results';
import { type OpenContender, type Suite, type SuiteCase, type SuiteContender, type SuiteSize, timed } from './suite';

const program = join(__dirname, 'part-worker.ts');
// A worker thread does not get the loader of its parent.
const start = `require('tsx/cjs'); require(${JSON.stringify(program)});`;
const wholeName = (threads: number) => `whole rows, ${threadsName(threads)}`;
const partsName = (parts: number) => `${parts} parts, a worker of 1 thread each`;

interface Shape {
  rows: number;
  vocabSize: number;
  beamWidth: number;
}

function whole({ rows, vocabSize, beamWidth }: Shape, threads: number): SuiteContender {
  return {
    name: wholeName(threads),
    computes: 'BEAR',
    open: () => {
      const [logits, targets] = [logitsOf(rows, vocabSize), targetsOf(rows, vocabSize)];
      const options = { vocabSize, beamWidth, threads, out: { gradLogits: touched(rows * vocabSize) } };
      return timed(() => fusedBearLoss(logits, targets, options));
    },
  };
}

function shared(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}

/** Columns of a matrix in shared memory, as a matrix of their own. */
function columns(values: Float32Array, { rows, vocabSize }: Shape, first: number, count: number): Float32Array {
  const part = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    part.set(values.subarray(row * vocabSize + first, row * vocabSize + first + count), row * count);
  }
  return shared(part);
}

const counter = () => new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
const numbers = (length: number) => new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT * length));

function places({ vocabSize }: Shape, parts: number): { firstToken: number; tokens: number }[] {
  return Array.from({ length: parts }, (_, part) => {
    const [firstToken, end] = [part, part + 1].map((each) => Math.floor((each * vocabSize) / parts)) as [
      number,
      number,
    ];
    return { firstToken, tokens: end - firstToken };
  });
}

// Every worker posts its partials, merges those of all and computes the gradient of its own part.
async function openParts(shape: Shape, parts: number): Promise<OpenContender> {
  const { shareMemory, count, waitFor } = await import('../../examples/vocabulary-parallel/shared-exchange.mjs');
  const { rows, vocabSize, beamWidth } = shape;
  const logits = logitsOf(rows, vocabSize);
  const targets = targetsOf(rows, vocabSize);
  const counters: StepCounters = { begun: counter(), ready: counter(), finished: counter() };
  const [milliseconds, loss] = [numbers(parts), numbers(1)];
  const ofPart = places(shape, parts).map(({ firstToken, tokens }) => ({
    logits: columns(logits, shape, firstToken, tokens),
    gradLogits: shared(touched(rows * tokens)),
    shape: [rows, tokens] as [number, number],
    options: { firstToken, vocabSize, beamWidth, threads: 1 },
  }));
  const memory = shareMemory(
    ofPart.map((part) => bearPartials({ data: part.logits, shape: part.shape }, targets, part.options)),
  );
  const workers = ofPart.map((of, part) => {
    const inputs: PartInputs = { ...of, part, parts, targets, memory, counters, milliseconds, loss };
    return new Worker(start, { eval: true, workerData: inputs });
  });
  let steps = 0;
  return {
    run: () => {
      steps++;
      count(counters.begun);
      waitFor(counters.finished, steps * parts);
      return { milliseconds: Math.max(...milliseconds), loss: loss[0] as number };
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function caseOf(shape: Shape, most: number): SuiteCase {
  const { rows, vocabSize, beamWidth } = shape;
  const counts = [...new Set([2, most])];
  return {
    name: `${rows} x ${vocabSize}, B = ${beamWidth}`,
    parameters: { N: rows, V: vocabSize, B: beamWidth },
    reference: wholeName(2),
    contenders: () => [
      ...[...new Set([1, 2, most])].map((threads) => whole(shape, threads)),
      ...counts.map((parts) => ({ name: partsName(parts), computes: 'BEAR', open: () => openParts(shape, parts) })),
    ],
  };
}

const shapes: Record<SuiteSize, Shape[]> = {
  full: [
    { rows: 256, vocabSize: 32000, beamWidth: 10 },
    { rows: 64, vocabSize: 128256, beamWidth: 10 },
    { rows: 64, vocabSize: 128256, beamWidth: 256 },
    { rows: 512, vocabSize: 128256, beamWidth: 10 },
  ],
  quick: [{ rows: 8, vocabSize: 2000, beamWidth: 10 }],
};

export const parallel: Suite = {
  name: 'parallel',
  description: 'bearPartials, mergeBearPartials and bearShardGradient in worker threads',
  legend:
    'float32 logits, loss and gradient. Parts: from when every worker is there until the last has its gradient, the exchange of ' +
    'partials included.',
  listCases: ({ size, threads }) => shapes[size].map((shape) => caseOf(shape, Math.max(...threads))),
  targets: [
    {
      name: 'two halves / whole rows, 2 threads',
      bars: { any: { must: 1.15, aim: 1.05 } },
      value: (each) => ratioOf(each, partsName(2), wholeName(2)),
    },
  ],
};
