// What the kernel must reach, and aims at: ratios within one run, float32. Times depend on the processor, so their targets
// name it; on any other the ratios are reported and not judged.
import { type Pass, passes, shapeName, threadsName } from './cases';
import { floorNames } from './floors';
import { type CaseResult, floorOf, lossOf, type Results, ratio } from './results';

export interface Bar {
  must: number;
  aim: number;
}

export interface Target {
  name: string;
  /** Undefined: there is none for this processor. */
  bar: Bar | undefined;
  /** Only what this run measured, and of which shape or case. */
  values: { at: string; value: number }[];
}

// Those for two threads are applied to all threads of the machine.
type Bars = Partial<Record<Pass, { oneThread: Bar; allThreads: Bar }>>;

// A ratio, and its bars by the family of the processor.
interface RatioTarget {
  name: (pass: Pass) => string;
  bars: Record<string, Bars>;
  value: (result: CaseResult) => number | undefined;
}

function whateverThreads(bar: Bar): { oneThread: Bar; allThreads: Bar } {
  return { oneThread: bar, allThreads: bar };
}

const wrapperBar = whateverThreads({ must: 1.05, aim: 1.02 });
const wrapperBars: Bars = { forward: wrapperBar, 'out of place': wrapperBar, 'in place': wrapperBar };

const ratioTargets: RatioTarget[] = [
  {
    name: (pass) => `BEAR / ${floorNames[pass]}`,
    bars: {
      zen4: {
        forward: { oneThread: { must: 1.6, aim: 1.2 }, allThreads: { must: 1.4, aim: 1.1 } },
        'out of place': { oneThread: { must: 1.9, aim: 1.5 }, allThreads: { must: 1.7, aim: 1.3 } },
        'in place': { oneThread: { must: 1.9, aim: 1.5 }, allThreads: { must: 1.5, aim: 1.25 } },
      },
      'sapphire-rapids': {
        forward: whateverThreads({ must: 1.3, aim: 1.15 }),
        'out of place': whateverThreads({ must: 1.35, aim: 1.3 }),
        'in place': { oneThread: { must: 1.55, aim: 1.35 }, allThreads: { must: 1.6, aim: 1.35 } },
      },
    },
    value: (result) => ratio(lossOf(result, 'BEAR'), floorOf(result)),
  },
  {
    name: () => 'BEAR / our plain cross-entropy',
    bars: {
      zen4: {
        'out of place': whateverThreads({ must: 1.2, aim: 1.05 }),
        'in place': whateverThreads({ must: 1.3, aim: 1.05 }),
      },
    },
    value: (result) => ratio(lossOf(result, 'BEAR'), lossOf(result, 'cross-entropy')),
  },
  {
    // The watch is in JavaScript for both: a bare call has to get into code that no cache holds, too.
    name: () => 'TypeScript call / bare call of an addon',
    bars: { zen4: wrapperBars },
    value: (result) => ratio(lossOf(result, 'BEAR', 'TypeScript'), lossOf(result, 'BEAR', 'addon')),
  },
];

// Of rounding, not of time: the same on every processor.
const gradientErrorBar: Bar = { must: 5e-6, aim: 2e-6 };

function evaluate(target: RatioTarget, family: string, pass: Pass, threads: number, cases: CaseResult[]): Target {
  const bars = target.bars[family]?.[pass];
  const values = cases
    .filter((each) => each.dtype === 'float32' && each.threads === threads && each.pass === pass)
    .flatMap((result) => {
      const value = target.value(result);
      return value === undefined ? [] : [{ at: shapeName(result.shape), value }];
    });
  return {
    name: `${target.name(pass)}, ${pass}, ${threadsName(threads)}`,
    bar: threads === 1 ? bars?.oneThread : bars?.allThreads,
    values,
  };
}

export function listTargets({ cases, accuracy, machine }: Pick<Results, 'cases' | 'accuracy' | 'machine'>): Target[] {
  const threadCounts = [...new Set(cases.map(({ threads }) => threads))];
  const family = machine.family ?? 'default';
  const targets = ratioTargets.flatMap((target) =>
    passes.flatMap((pass) => threadCounts.map((threads) => evaluate(target, family, pass, threads, cases))),
  );
  const error: Target = {
    name: 'gradient error, worst row measured',
    bar: gradientErrorBar,
    values: accuracy.map(({ shape, gradientError }) => ({ at: shapeName(shape), value: gradientError })),
  };
  return [...targets, error].filter(({ values }) => values.length > 0);
}

export function verdict({ bar, values }: Target): string {
  if (bar === undefined) return 'no target for this processor';
  const missedAt = (limit: number) =>
    values
      .filter(({ value }) => !(value <= limit))
      .map(({ at }) => at)
      .join(', ');
  if (missedAt(bar.must)) return `must MISSED at ${missedAt(bar.must)}`;
  if (missedAt(bar.aim)) return `must reached, aim missed at ${missedAt(bar.aim)}`;
  return 'aim reached';
}
