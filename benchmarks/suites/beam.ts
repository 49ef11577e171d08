// npm run bench -- --suite beam: whether the time depends on the beam width, or on the order of the logits.
import { fusedBearLoss, fusedLinearBearLoss } from 'fused-bear-loss';
import { threadsName } from '../cases';
import { hiddenStates, type LinearShape, logitsOf, targetsOf, touched, weights } from './inputs';
import type { SuiteCaseResult } from './results';
import { ratioOf } from './results';
import { lazily, type Suite, type SuiteCase, type SuiteContender, type SuiteSize, timed } from './suite';

const widths = [1, 10, 64, 256, 1024];
const widthName = (beamWidth: number) => `B = ${beamWidth}`;
const orders = { random: 'random rows', ascending: 'ascending rows' } as const;
const BEAM_WIDTH = 10;

interface Problem {
  logits: Float32Array;
  targets: Int32Array;
  gradLogits: Float32Array;
  vocabSize: number;
}

interface LogitsShape {
  rows: number;
  vocabSize: number;
}

function problemOf({ rows, vocabSize }: LogitsShape, arrange: (row: Float32Array) => void = () => {}): Problem {
  const logits = logitsOf(rows, vocabSize);
  for (let row = 0; row < rows; row++) arrange(logits.subarray(row * vocabSize, (row + 1) * vocabSize));
  return { logits, targets: targetsOf(rows, vocabSize), gradLogits: touched(rows * vocabSize), vocabSize };
}

function ofLogits(name: string, beamWidth: number, threads: number, problem: () => Problem): SuiteContender {
  return {
    name,
    open: () => {
      const { logits, targets, gradLogits, vocabSize } = problem();
      const options = { vocabSize, beamWidth, threads, out: { gradLogits } };
      return timed(() => fusedBearLoss(logits, targets, options));
    },
  };
}

function byWidth(shape: LogitsShape, threads: number): SuiteCase {
  const { rows, vocabSize } = shape;
  return {
    name: `logits, ${rows} x ${vocabSize}, ${threadsName(threads)}`,
    parameters: { N: rows, V: vocabSize, threads },
    reference: widthName(1),
    contenders: () => {
      const problem = lazily(() => problemOf(shape));
      return widths.map((width) => ({ ...ofLogits(widthName(width), width, threads, problem), x: width }));
    },
  };
}

function byOrder(shape: LogitsShape, threads: number): SuiteCase {
  const { rows, vocabSize } = shape;
  const ascending = () => problemOf(shape, (row) => void row.sort());
  return {
    name: `logits in order, ${rows} x ${vocabSize}, ${threadsName(threads)}`,
    parameters: { N: rows, V: vocabSize, B: BEAM_WIDTH, threads },
    reference: orders.random,
    contenders: () => [
      ofLogits(orders.random, BEAM_WIDTH, threads, () => problemOf(shape)),
      ofLogits(orders.ascending, BEAM_WIDTH, threads, ascending),
    ],
  };
}

function linearByWidth(shape: LinearShape, threads: number): SuiteCase {
  const { rows, vocabSize, hiddenSize } = shape;
  const contenders = () => {
    const inputs = lazily(() => ({
      ...{ hidden: hiddenStates(shape), weight: weights(shape), targets: targetsOf(rows, vocabSize) },
      out: { gradHidden: touched(rows * hiddenSize), gradWeight: touched(vocabSize * hiddenSize) },
    }));
    return widths.map(
      (beamWidth): SuiteContender => ({
        name: widthName(beamWidth),
        x: beamWidth,
        open: () => {
          const { hidden, weight, targets, out } = inputs();
          return timed(() => fusedLinearBearLoss(hidden, weight, targets, { hiddenSize, beamWidth, threads, out }));
        },
      }),
    );
  };
  return {
    name: `linear form, ${rows} x ${vocabSize} x ${hiddenSize}, ${threadsName(threads)}`,
    parameters: { N: rows, V: vocabSize, H: hiddenSize, threads },
    reference: widthName(1),
    contenders,
  };
}

const shapes: Record<SuiteSize, { logits: LogitsShape; linear: LinearShape }> = {
  full: {
    logits: { rows: 64, vocabSize: 128256 },
    linear: { rows: 128, vocabSize: 128256, hiddenSize: 256 },
  },
  quick: { logits: { rows: 4, vocabSize: 4000 }, linear: { rows: 4, vocabSize: 4000, hiddenSize: 8 } },
};

function worstToFirst(result: SuiteCaseResult): number | undefined {
  const ratios = widths.flatMap((width) => ratioOf(result, widthName(width), widthName(1)) ?? []);
  return ratios.length === 0 ? undefined : Math.max(...ratios);
}

export const beam: Suite = {
  name: 'beam',
  description: 'time against the beam width, and against the order of the logits in a row',
  legend: 'float32, loss and gradient.',
  listCases: ({ size, threads }) =>
    threads.flatMap((count) => [
      byWidth(shapes[size].logits, count),
      byOrder(shapes[size].logits, count),
      linearByWidth(shapes[size].linear, count),
    ]),
  targets: [
    { name: 'slowest beam width / B = 1', bars: { any: { must: 1.5, aim: 1.2 } }, value: worstToFirst },
    {
      name: 'ascending rows / random rows',
      bars: { any: { must: 2, aim: 1.3 } },
      value: (each) => ratioOf(each, orders.ascending, orders.random),
    },
  ],
};
