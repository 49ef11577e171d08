// Timing: rivals take turns (A B C C B A ...), so that a slow phase of the machine hits all of them, and none always follows
// the same one; low percentiles tell what the code costs when nothing else runs.

export interface Contender {
  name: string;
  /** Runs once on the given one of the rotating buffers; milliseconds. */
  run(buffer: number): number | Promise<number>;
  /** Of one that is many times slower than its rivals. */
  mostRounds?: number;
}

export interface Measurement {
  name: string;
  /** In milliseconds, in the order measured. */
  samples: number[];
  percentile10: number;
  median: number;
}

export interface Schedule {
  /** Rounds go on until this time has passed, preparation included. */
  seconds: number;
  fewestRounds: number;
  mostRounds: number;
  bufferCount: number;
  /** Untimed, before every run. */
  prepare(buffer: number): void | Promise<void>;
}

export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** Milliseconds that `call` took. */
export function time(call: () => void): number {
  const start = performance.now();
  call();
  return performance.now() - start;
}

export function summarize(name: string, samples: number[]): Measurement {
  return { name, samples, percentile10: percentile(samples, 0.1), median: percentile(samples, 0.5) };
}

export async function measure(contenders: readonly Contender[], schedule: Schedule): Promise<Measurement[]> {
  const samples = contenders.map((): number[] => []);
  let turn = 0;
  let isReversed = false;
  const round = async (record: boolean) => {
    const inOrder = [...contenders.entries()];
    for (const [index, contender] of isReversed ? inOrder.reverse() : inOrder) {
      const own = samples[index] as number[];
      if (own.length >= (contender.mostRounds ?? schedule.mostRounds)) continue;
      const buffer = turn++ % schedule.bufferCount;
      await schedule.prepare(buffer);
      const milliseconds = await contender.run(buffer);
      if (record) own.push(milliseconds);
    }
    isReversed = !isReversed;
    // Otherwise a contender would meet the same buffer in every round.
    if (contenders.length % schedule.bufferCount === 0) turn++;
  };
  await round(false);
  const end = performance.now() + schedule.seconds * 1000;
  for (let rounds = 0; rounds < schedule.mostRounds; rounds++) {
    if (rounds >= schedule.fewestRounds && performance.now() >= end) break;
    await round(true);
  }
  return contenders.map(({ name }, index) => summarize(name, samples[index] ?? []));
}
