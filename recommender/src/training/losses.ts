import type { BearLossOptions, Penalty, ThresholdGradient } from 'fused-bear-loss';
import type { ApaoSettings } from './apao.js';

export const LOSSES = ['sft', 'msl', 'bear', 'apao'] as const;
export type LossName = (typeof LOSSES)[number];

/** Those of the loss `bear`. */
export const PENALTIES = ['hinge', 'softplus', 'sigmoid', 'log-sigmoid', 'reweight'] as const satisfies Penalty[];

/** Where a lambda is not given. Measured in docs/experiment.md; hinge, softplus and sigmoid as the loss itself has them. */
export const DEFAULT_LAMBDAS: Readonly<Record<(typeof PENALTIES)[number], number>> = {
  hinge: 0.25,
  softplus: 0.25,
  sigmoid: 0.25,
  'log-sigmoid': 4,
  reweight: 4,
};

// Which settings change the loss of which penalty: others are refused where somebody sets them.

export function hasScale(penalty: string): boolean {
  return PENALTIES.some((name) => name === penalty) && penalty !== 'hinge';
}

export function hasMargin(penalty: string): boolean {
  return penalty === 'hinge';
}

export function hasThresholdGradient(penalty: string): boolean {
  return PENALTIES.some((name) => name === penalty) && penalty !== 'reweight';
}

/** What is minimised. The penalty's settings count for `bear` only. */
export interface LossSettings extends ApaoSettings {
  /**
   * `sft`: cross-entropy over all tokens; `msl`: over those that the trie allows; `bear`: that with the penalty; `apao`: that
   * with the losses of the prefixes.
   */
  loss: LossName;
  /** For `apao`: over all tokens, as it was published. */
  unmasked?: true;
  penalty: (typeof PENALTIES)[number];
  /** At least 0: a negative one would reward what the penalty is against. */
  lambda: number;
  /** In place of `lambda`, one for each decision, the last for all later ones, too. */
  lambdas?: readonly number[];
  xi: number;
  margin: number;
  thresholdGradient: ThresholdGradient;
  /** B of the loss; that of the search is a setting of its own. */
  lossBeamWidth: number;
  /** Divides the logits in the loss. Above 1, as the authors of MSL train: every wrong token keeps a part of the gradient. */
  temperature: number;
  /** The penalty counts from this decision, counted from 0, and up to the one before `penaltyEnd`; default all. */
  penaltyStart?: number;
  penaltyEnd?: number;
  threads?: number;
}

/** Whether the loss is over the tokens that the trie allows, or over all. */
export function isMasked({ loss, unmasked }: Pick<LossSettings, 'loss' | 'unmasked'>): boolean {
  return loss !== 'sft' && !(loss === 'apao' && unmasked);
}

/** Those that logits and their linear form have in common. */
export type LossOptions = Omit<BearLossOptions, 'rowStride' | 'gradient' | 'out' | 'device' | 'allowed'>;

/** The authors' scripts divide the `reweight` loss by the sum of the weights. */
export function lossOptions(settings: LossSettings): LossOptions {
  const {
    loss,
    penalty,
    lambdas,
    xi,
    margin,
    thresholdGradient,
    lossBeamWidth: beamWidth,
    temperature,
    threads,
  } = settings;
  // Those of the decisions are the rows' penalty weights.
  const lambda = lambdas ? 1 : settings.lambda;
  const shared = { beamWidth, temperature, ...(threads !== undefined && { threads }) };
  if (loss !== 'bear') return { ...shared, penalty: 'none' };
  const reduction = penalty === 'reweight' ? 'weighted-mean' : 'mean';
  return {
    ...shared,
    penalty,
    lambda,
    xi,
    ...(hasMargin(penalty) && { margin }),
    ...(hasThresholdGradient(penalty) && { thresholdGradient }),
    reduction,
  };
}

export type PenaltyDecisions = Pick<LossSettings, 'lambdas' | 'penaltyStart' | 'penaltyEnd'>;

/**
 * For `penaltyWeights`: the lambda of its decision in each row that the penalty counts for, or 1 where all have the same, and
 * 0 in the others; undefined where it counts for all alike.
 *
 * @param decisions the number of each row's decision on the way to its item, from 0
 */
export function penaltyWeights(
  { lambdas = [1], penaltyStart = 0, penaltyEnd = Number.POSITIVE_INFINITY }: PenaltyDecisions,
  decisions: Int32Array,
): Float32Array | undefined {
  const isEverywhere = penaltyStart === 0 && penaltyEnd === Number.POSITIVE_INFINITY;
  if (isEverywhere && lambdas.every((lambda) => lambda === 1)) return undefined;
  return Float32Array.from(decisions, (decision) => {
    if (decision < penaltyStart || decision >= penaltyEnd) return 0;
    return lambdas[Math.min(decision, lambdas.length - 1)] as number;
  });
}
