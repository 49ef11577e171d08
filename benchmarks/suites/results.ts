// What a suite found. This is also the JSON that --json writes.
import type { Measurement } from '../harness';
import type { Machine } from '../machine';
import type { PeerState } from '../peers/peer';
import { ratio } from '../results';

export interface SuiteCaseResult {
  name: string;
  parameters: Readonly<Record<string, number | string>>;
  reference: string;
  series?: { name: string; x: number };
  /** `x` where the contenders of the case are a series. */
  measurements: (Measurement & { x?: number })[];
  /** Bytes beyond inputs and gradients at the peak of the first call of a fresh process. */
  memory: { name: string; bytes: number }[];
}

export interface SuiteResults {
  suite: string;
  machine: Machine;
  settings: { quick: boolean; filter: string; secondsPerCase: number; fewestRounds: number; mostRounds: number };
  peers: PeerState[];
  cases: SuiteCaseResult[];
}

function measurementOf(result: SuiteCaseResult, name: string): Measurement | undefined {
  return result.measurements.find((each) => each.name === name);
}

/** Of the 10th percentiles of two contenders; undefined where one did not run. */
export function ratioOf(result: SuiteCaseResult, above: string, below: string): number | undefined {
  return ratio(measurementOf(result, above), measurementOf(result, below));
}

/** In MB (10^6 bytes). */
export function megabytesOf(result: SuiteCaseResult, name: string): number | undefined {
  const bytes = result.memory.find((each) => each.name === name)?.bytes;
  return bytes === undefined ? undefined : bytes / 1e6;
}
