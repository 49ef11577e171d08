import type { RunOptions } from './run-options.js';
import type { EpochReport } from './training.js';

export interface EpochMetrics extends EpochReport {
  /** From 1. */
  epoch: number;
  validationNdcg: number;
}

/** What a run has done so far, but for its tensors. */
export interface RunState {
  options: RunOptions;
  /** Where the data came from, for the reader. */
  data: string;
  /** Of what the data held: it may lie elsewhere when the run goes on, but it must be the same. */
  dataDigest: string;
  metrics: EpochMetrics[];
}

/** From 1; the earliest of equals; 0 before the first. */
export function bestEpoch(metrics: readonly EpochMetrics[]): number {
  let best: EpochMetrics | undefined;
  for (const epoch of metrics) if (!best || epoch.validationNdcg > best.validationNdcg) best = epoch;
  return best?.epoch ?? 0;
}

/** After the last epoch, or when validation has not got better for a while. */
export function isFinished({ metrics, options }: RunState): boolean {
  const epochsSinceBest = metrics.length - bestEpoch(metrics);
  return metrics.length >= options.epochs || (metrics.length > 0 && epochsSinceBest >= options.patience);
}
