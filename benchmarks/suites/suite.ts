// What a suite is: cases as data, each with contenders that take turns, and what must hold of their times.
import type { PeerName } from '../peers/peer';
import type { Bar } from '../targets';
import type { SuiteResults } from './results';

export interface RunOutcome {
  milliseconds: number;
  /** Undefined where no loss is computed. */
  loss?: number;
}

/** A contender whose inputs are in memory. */
export interface OpenContender {
  run(): RunOutcome | Promise<RunOutcome>;
  /** Of one that computes in another process: bytes beyond inputs and gradients at the peak of one run. */
  peakBytes?(): Promise<number>;
  close?(): void | Promise<void>;
}

export interface SuiteContender {
  name: string;
  /** Left out where this peer is not installed. */
  peer?: PeerName;
  /** Contenders that compute the same must find the same loss; undefined for one that finds none. */
  computes?: string;
  /** Of one that is many times slower than its rivals. */
  mostRounds?: number;
  /** False where peak memory means nothing, as what counts is in memory before. */
  memory?: false;
  /** Its place on the axis of a plot, where the contenders of a case are a series. */
  x?: number;
  open(): Promise<OpenContender> | OpenContender;
}

export interface SuiteCase {
  name: string;
  parameters: Readonly<Record<string, number | string>>;
  /** Name of the contender that the others are compared with. */
  reference: string;
  /** Cases of one series differ in one parameter. */
  series?: { name: string; x: number };
  /** Whether the peak memory of each contender is measured, in a fresh process each. */
  memory?: boolean;
  /** Made when the case runs, and with them its inputs, which nobody holds after it. */
  contenders(): readonly SuiteContender[];
}

export type SuiteSize = 'full' | 'quick';

/** A ratio, or megabytes, of each case that has it. */
export interface SuiteTarget {
  name: string;
  /** By the family of the processor; `any`: of every processor. */
  bars: Readonly<Record<string, Bar>>;
  value(result: SuiteResults['cases'][number]): number | undefined;
}

export interface SuiteOptions {
  size: SuiteSize;
  threads: readonly number[];
}

export interface Suite {
  name: string;
  /** One line for `--help`. */
  description: string;
  /** Before the tables: what the numbers mean. */
  legend: string;
  listCases(options: SuiteOptions): SuiteCase[] | Promise<SuiteCase[]>;
  targets: readonly SuiteTarget[];
}

/** A call of this package that is timed. */
export function timed(call: () => { loss: number | Float32Array }): OpenContender {
  return {
    run: () => {
      const began = performance.now();
      const { loss } = call();
      return { milliseconds: performance.now() - began, loss: loss as number };
    },
  };
}

/** Makes a value when it is first asked for, and keeps it. */
export function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
