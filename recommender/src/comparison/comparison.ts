import type { BaselineRanks } from '../training/baselines.js';
import type { RunOptions } from '../training/run-options.js';
import type { RunResult } from '../training/run-result.js';

/** What the rows of a held-out part are, and how the baselines rank their targets. */
export interface HeldOut {
  /** The user of each row. */
  users: number[];
  baselines: BaselineRanks[];
}

export interface Comparison {
  /** Of the data, in a few lines. */
  description: string;
  /** What all runs share; a variant's settings replace some of them. */
  options: RunOptions;
  validation: HeldOut;
  test: HeldOut;
  seeds: readonly number[];
  /** The results of each variant, one for each seed. */
  variants: { name: string; results: RunResult[] }[];
  control?: Control;
}

/** The reference's finished runs, searched at another temperature: that which gives a contender's mean entropy. */
export interface Control {
  /** The name of the variant whose entropy it has. */
  contender: string;
  /** Of each seed: the temperature of the search, the entropy in nats, and what the search found. */
  temperatures: number[];
  entropies: number[];
  results: Pick<RunResult, 'validation' | 'test'>[];
}
