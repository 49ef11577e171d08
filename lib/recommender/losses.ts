import type { BearLossOptions, Penalty, ThresholdGradient } from '../index.js';

export const LOSSES = ['sft', 'msl', 'bear'] as const;
export type LossName = (typeof LOSSES)[number];

/** Those of the loss `bear`. */
export const PENALTIES = ['hinge', 'softplus', 'sigmoid', 'log-sigmoid', 'reweight'] as const satisfies Penalty[];

/** What is minimised. The penalty's settings count for `bear` only. */
export interface LossSettings {
  /** `sft`: cross-entropy over all tokens; `msl`: over those that the trie allows; `bear`: that with the penalty. */
  loss: LossName;
  penalty: (typeof PENALTIES)[number];
  lambda: number;
  xi: number;
  margin: number;
  thresholdGradient: ThresholdGradient;
  /** B of the loss; that of the search is a setting of its own. */
  lossBeamWidth: number;
  /** The penalty counts from this decision, counted from 0, and up to the one before `penaltyEnd`; default all. */
  penaltyStart?: number;
  penaltyEnd?: number;
  threads?: number;
}

/** The authors' scripts divide the `reweight` loss by the sum of the weights. */
export function lossOptions(settings: LossSettings): BearLossOptions {
  const { loss, penalty, lambda, xi, margin, thresholdGradient, lossBeamWidth: beamWidth, threads } = settings;
  const shared = { beamWidth, ...(threads !== undefined && { threads }) };
  if (loss !== 'bear') return { ...shared, penalty: 'none' };
  const reduction = penalty === 'reweight' ? 'weighted-mean' : 'mean';
  const flow = penalty === 'reweight' ? {} : { thresholdGradient };
  return { ...shared, penalty, lambda, xi, ...(penalty === 'hinge' && { margin }), ...flow, reduction };
}

/** For `penaltyWeights`: 1 in the rows of the decisions that the penalty counts for, else 0; undefined where it counts for all. */
export function penaltyWeights(
  { penaltyStart = 0, penaltyEnd = Number.POSITIVE_INFINITY }: Pick<LossSettings, 'penaltyStart' | 'penaltyEnd'>,
  { size, steps }: { size: number; steps: number },
): Float32Array | undefined {
  if (penaltyStart === 0 && penaltyEnd === Number.POSITIVE_INFINITY) return undefined;
  return Float32Array.from({ length: steps * size }, (_, row) => {
    const decision = Math.floor(row / size);
    return decision >= penaltyStart && decision < penaltyEnd ? 1 : 0;
  });
}
