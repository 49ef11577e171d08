// npm run bench -- --suite parallel: a vocabulary in parts, each in a worker thread, beside one process with as many threads.
import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { fusedBearLoss } from 'fused-bear-loss';
import { threadsName } from '../cases';
import { logitsOf, targetsOf, touched } from './inputs';
import { count, counters, type PartInputs, waitFor } from './part-worker';
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

/** A channel for each pair of workers: the ports of each. */
function connect(count: number): MessagePort[][] {
  const ports: MessagePort[][] = Array.from({ length: count }, () => []);
  for (let left = 0; left < count; left++) {
    for (let right = left + 1; right < count; right++) {
      const { port1, port2 } = new MessageChannel();
      ports[left]?.push(port1);
      ports[right]?.push(port2);
    }
  }
  return ports;
}

// Every worker sends its partials to all others, merges those of all and computes the gradient of its own part.
function openParts(shape: Shape, parts: number): OpenContender {
  const { rows, vocabSize, beamWidth } = shape;
  const logits = logitsOf(rows, vocabSize);
  const targets = targetsOf(rows, vocabSize);
  const counts = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * Object.keys(counters).length));
  const loss = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  const workers = connect(parts).map((ports, part) => {
    const [firstToken, end] = [part, part + 1].map((each) => Math.floor((each * vocabSize) / parts)) as [
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
      ports,
      counts,
      loss,
    };
    return new Worker(start, { eval: true, workerData: inputs, transferList: ports });
  });
  let steps = 0;
  return {
    run: () => {
      steps++;
      const began = performance.now();
      count(counts, counters.begun);
      waitFor(counts, counters.finished, steps * parts);
      return { milliseconds: performance.now() - began, loss: loss[0] as number };
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
    'float32 logits, loss and gradient. Parts: from the start of a step until the last worker has its gradient, the exchange of ' +
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
