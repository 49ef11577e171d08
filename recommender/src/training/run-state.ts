import { isDeepStrictEqual } from 'node:util';
import { COUNT, FINITE, FROM_ZERO, FROM_ZERO_TO_ONE } from '../ranges.js';
import { type RunOptions, runOptionsShape } from './run-options.js';
import { listOf, numberIn, objectOf, type Shape, text, unexpected } from './shape.js';
import type { EpochReport } from './training.js';

export interface EpochMetrics extends EpochReport {
  /** From 1. */
  epoch: number;
  validationNdcg: number;
}

/** What tells runs apart: two with the same have the same numbers. Every file of a run has it. */
export interface RunHead {
  options: RunOptions;
  /** Where the data came from, for the reader. */
  data: string;
  /** Of what the data held: it may lie elsewhere when the run goes on, but it must be the same. */
  dataDigest: string;
}

/** What a run has done so far, but for its tensors. */
export interface RunState extends RunHead {
  metrics: EpochMetrics[];
}

const digest: Shape<string> = (value, place) =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? value : unexpected(place, 'a SHA-256 digest', value);

export const runHeadFields = { options: runOptionsShape, data: text, dataDigest: digest };

type OptionalMetric = 'steps';

export const epochShape: Shape<EpochMetrics> = objectOf<
  Omit<EpochMetrics, OptionalMetric>,
  Required<Pick<EpochMetrics, OptionalMetric>>
>(
  {
    epoch: numberIn(COUNT),
    loss: numberIn(FINITE),
    crossEntropy: numberIn(FROM_ZERO),
    prunedRate: numberIn(FROM_ZERO_TO_ONE),
    validationNdcg: numberIn(FROM_ZERO_TO_ONE),
    lossMilliseconds: numberIn(FROM_ZERO),
    stepMilliseconds: numberIn(FROM_ZERO),
  },
  { steps: numberIn(COUNT) },
);

/** The epochs of a run, one after the other. */
export const metricsShape: Shape<EpochMetrics[]> = (value, place) => {
  const metrics = listOf(epochShape)(value, place);
  metrics.forEach(({ epoch }, index) => {
    if (epoch !== index + 1) unexpected(`${place}[${index}].epoch`, `${index + 1}`, epoch);
  });
  return metrics;
};

export const runStateShape = objectOf<RunState>({ ...runHeadFields, metrics: metricsShape });

export function headOf({ options, data, dataDigest }: RunHead): RunHead {
  return { options, data, dataDigest };
}

/** Whether two files can be of one run, at the same moment or at different ones. */
export function isSameRun(one: RunHead & { metrics?: unknown[] }, other: RunHead & { metrics?: unknown[] }): boolean {
  if (!isDeepStrictEqual(headOf(one), headOf(other))) return false;
  if (!one.metrics || !other.metrics) return true;
  const epochs = Math.min(one.metrics.length, other.metrics.length);
  return isDeepStrictEqual(one.metrics.slice(0, epochs), other.metrics.slice(0, epochs));
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
