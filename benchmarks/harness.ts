// Timing: rivals take turns (A B C A B C ...), so that a slow phase of the machine hits all of them, and low percentiles
// tell what the code costs when nothing else runs.

export interface Contender {
  name: string;
  /** Runs once on the given one of the rotating buffers; milliseconds. */
  run(buffer: number): number;
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
  prepare(buffer: number): void;
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

export function measure(contenders: readonly Contender[], schedule: Schedule): Measurement[] {
  const samples = contenders.map((): number[] => []);
  let turn = 0;
  const round = (record: boolean) => {
    contenders.forEach((contender, index) => {
      const buffer = turn++ % schedule.bufferCount;
      schedule.prepare(buffer);
      const milliseconds = contender.run(buffer);
      if (record) samples[index]?.push(milliseconds);
    });
    // Otherwise a contender would meet the same buffer in every round.
    if (contenders.length % schedule.bufferCount === 0) turn++;
  };
  round(false);
  const end = performance.now() + schedule.seconds * 1000;
  for (let rounds = 0; rounds < schedule.mostRounds; rounds++) {
    if (rounds >= schedule.fewestRounds && performance.now() >= end) break;
    round(true);
  }
  return contenders.map(({ name }, index) => summarize(name, samples[index] ?? []));
}
