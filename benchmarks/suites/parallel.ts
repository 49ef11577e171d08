// npm run bench -- --suite parallel: a vocabulary in parts, each in a worker thread, beside one process with as many threads.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type BearPartials, fusedBearLoss } from 'fused-bear-loss';
import { threadsName } from '../cases';
import { logitsOf, targetsOf, touched } from './inputs';
import type { PartInputs, PartReply } from './part-worker';
import { ratioOf } from './results';
import type { OpenContender, Suite, SuiteCase, SuiteContender, SuiteSize } from './suite';

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
      const run = () => {
        const began = performance.now();
        const { loss } = fusedBearLoss(logits, targets, options);
        return { milliseconds: performance.now() - began, loss: loss as number };
      };
      return { run };
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

// Every worker gets the partials of all, merges them and computes the gradient of its own part.
async function openParts(shape: Shape, count: number): Promise<OpenContender> {
  const { rows, vocabSize, beamWidth } = shape;
  const logits = logitsOf(rows, vocabSize);
  const targets = targetsOf(rows, vocabSize);
  const workers = Array.from({ length: count }, (_, part) => {
    const [firstToken, end] = [part, part + 1].map((each) => Math.floor((each * vocabSize) / count)) as [
      number,
      number,
    ];
    const tokens = end - firstToken;
    const inputs: PartInputs = {
      logits: columns(logits, shape, firstToken, tokens),
      gradLogits: shared(touched(rows * tokens)),
      targets,
      shape: [rows, tokens],
      options: { firstToken, vocabSize, beamWidth, threads: 1 },
    };
    return new Worker(start, { eval: true, workerData: inputs });
  });
  const replies = async (): Promise<PartReply[]> => {
    const all = await Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[PartReply]>));
    return all.map(([reply]) => reply);
  };
  const tell = (message: 'start' | BearPartials[]) => {
    for (const worker of workers) worker.postMessage(message);
  };
  await replies();
  return {
    run: async () => {
      const began = performance.now();
      let replied = replies();
      tell('start');
      const partials = await replied;
      replied = replies();
      tell(partials as BearPartials[]);
      const [loss] = (await replied) as number[];
      return { milliseconds: performance.now() - began, loss: loss as number };
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function caseOf(shape: Shape, threads: readonly number[]): SuiteCase {
  const { rows, vocabSize, beamWidth } = shape;
  const most = Math.max(...threads);
  const counts = [...new Set([2, most])];
  return {
    name: `${rows} x ${vocabSize}, B = ${beamWidth}`,
    parameters: { N: rows, V: vocabSize, B: beamWidth },
    reference: wholeName(2),
    contenders: [
      ...[...new Set([1, 2, most])].map((count) => whole(shape, count)),
      ...counts.map((count) => ({ name: partsName(count), computes: 'BEAR', open: () => openParts(shape, count) })),
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
    'float32 logits, loss and gradient. Parts: from the first message to the workers until the last has its gradient, the two ' +
    'exchanges included.',
  listCases: ({ size, threads }) => shapes[size].map((shape) => caseOf(shape, threads)),
  targets: [
    {
      name: 'two halves / whole rows, 2 threads',
      bars: { any: { must: 1.15, aim: 1.05 } },
      value: (each) => ratioOf(each, partsName(2), wholeName(2)),
    },
  ],
};
