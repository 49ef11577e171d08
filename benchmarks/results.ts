// What a run found, and the ratios that it is read by. This is also the JSON that --json writes.
import { bytesMoved, type Case, type LossName, type Shape } from './cases';
import { contenderName, type LossCall } from './contenders';
import { fastestFloor } from './floors';
import type { Measurement } from './harness';
import type { Machine } from './machine';
import type { SuiteResults } from './suites/results';

export interface CaseResult extends Case {
  name: string;
  measurements: Measurement[];
}

export interface PeerResult {
  shape: Shape;
  measurement: Measurement;
}

export interface AccuracyResult {
  shape: Shape;
  gradientError: number;
  rows: number;
}

/** How it was measured. */
export interface Settings {
  quick: boolean;
  call: LossCall;
  device: string;
  filter: string;
  secondsPerCase: number;
  fewestRounds: number;
  mostRounds: number;
  bufferCount: number;
  seed: number;
  tunings: string[];
}

export interface Results {
  suite: 'loss';
  machine: Machine;
  settings: Settings;
  cases: CaseResult[];
  peers: PeerResult[];
  accuracy: AccuracyResult[];
  /** PyTorch with the same logits; undefined where peers were left out. */
  beside?: SuiteResults;
}

export function floorOf(result: CaseResult): Measurement | undefined {
  return fastestFloor(result.pass, result.measurements);
}

/** The loss called from TypeScript; in a run of the bare calls alone, those. */
export function lossOf(result: CaseResult, loss: LossName, call?: LossCall): Measurement | undefined {
  const find = (each: LossCall) => result.measurements.find(({ name }) => name === contenderName(loss, each));
  return call === undefined ? (find('TypeScript') ?? find('C++')) : find(call);
}

/** Of the 10th percentiles; undefined where one was not measured. */
export function ratio(above: Measurement | undefined, below: Measurement | undefined): number | undefined {
  return above && below ? above.percentile10 / below.percentile10 : undefined;
}

export function gigabytesPerSecond(result: CaseResult, measurement: Measurement): number {
  return bytesMoved(result) / measurement.percentile10 / 1e6;
}
