// What the kernel must reach, and aims at: ratios within one run, float32, on a processor with AVX-512.
import { type Pass, passes, type Shape, shapeName, threadsName } from './cases';
import { floorNames } from './floors';
import { type CaseResult, floorOf, lossOf, type Results, ratio } from './results';

interface Bar {
  must: number;
  aim: number;
}

export interface Target extends Bar {
  name: string;
  /** By shape; only what this run measured. */
  values: { shape: Shape; value: number }[];
}

// A ratio that has a bar for some or all passes. The bars for two threads are applied to all threads of the machine.
interface RatioTarget {
  name: (pass: Pass) => string;
  bars: Partial<Record<Pass, { oneThread: Bar; allThreads: Bar }>>;
  value: (result: CaseResult) => number | undefined;
}

const crossEntropyBar: Bar = { must: 1.2, aim: 1.05 };
const crossEntropyInPlaceBar: Bar = { must: 1.3, aim: 1.05 };
const wrapperBar: Bar = { must: 1.05, aim: 1.02 };
const gradientErrorBar: Bar = { must: 5e-6, aim: 2e-6 };

function whateverThreads(bar: Bar): { oneThread: Bar; allThreads: Bar } {
  return { oneThread: bar, allThreads: bar };
}

const ratioTargets: RatioTarget[] = [
  {
    name: (pass) => `BEAR / ${floorNames[pass]}`,
    bars: {
      forward: { oneThread: { must: 1.6, aim: 1.2 }, allThreads: { must: 1.4, aim: 1.1 } },
      'out of place': { oneThread: { must: 1.9, aim: 1.5 }, allThreads: { must: 1.7, aim: 1.3 } },
      'in place': { oneThread: { must: 1.9, aim: 1.5 }, allThreads: { must: 1.5, aim: 1.25 } },
    },
    value: (result) => ratio(lossOf(result, 'BEAR'), floorOf(result)),
  },
  {
    name: () => 'BEAR / our plain cross-entropy',
    bars: {
      'out of place': whateverThreads(crossEntropyBar),
      'in place': whateverThreads(crossEntropyInPlaceBar),
    },
    value: (result) => ratio(lossOf(result, 'BEAR'), lossOf(result, 'cross-entropy')),
  },
  {
    // The watch is in JavaScript for both: a bare call has to get into code that no cache holds, too.
    name: () => 'TypeScript call / bare call of an addon',
    bars: {
      forward: whateverThreads(wrapperBar),
      'out of place': whateverThreads(wrapperBar),
      'in place': whateverThreads(wrapperBar),
    },
    value: (result) => ratio(lossOf(result, 'BEAR', 'TypeScript'), lossOf(result, 'BEAR', 'addon')),
  },
];

function evaluate(target: RatioTarget, pass: Pass, threads: number, cases: CaseResult[]): Target | undefined {
  const bars = target.bars[pass];
  if (!bars) return undefined;
  const values = cases
    .filter((each) => each.dtype === 'float32' && each.threads === threads && each.pass === pass)
    .flatMap((result) => {
      const value = target.value(result);
      return value === undefined ? [] : [{ shape: result.shape, value }];
    });
  return {
    name: `${target.name(pass)}, ${pass}, ${threadsName(threads)}`,
    ...(threads === 1 ? bars.oneThread : bars.allThreads),
    values,
  };
}

export function listTargets({ cases, accuracy }: Results): Target[] {
  const threadCounts = [...new Set(cases.map(({ threads }) => threads))];
  const targets = ratioTargets.flatMap((target) =>
    passes.flatMap((pass) => threadCounts.flatMap((threads) => evaluate(target, pass, threads, cases) ?? [])),
  );
  const error: Target = {
    name: 'gradient error, worst row measured',
    ...gradientErrorBar,
    values: accuracy.map(({ shape, gradientError }) => ({ shape, value: gradientError })),
  };
  return [...targets, error].filter(({ values }) => values.length > 0);
}

export function verdict({ must, aim, values }: Target): string {
  const missedAt = (bar: number) =>
    values
      .filter(({ value }) => !(value <= bar))
      .map(({ shape }) => shapeName(shape))
      .join(', ');
  if (missedAt(must)) return `must MISSED at ${missedAt(must)}`;
  if (missedAt(aim)) return `must reached, aim missed at ${missedAt(aim)}`;
  return 'aim reached';
}
