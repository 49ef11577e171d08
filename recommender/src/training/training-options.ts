import type { ApaoSettings } from './apao.js';
import type { LossOptions, PenaltyDecisions } from './losses.js';

export interface StepProgress {
  /** Steps, of all epochs. */
  done: number;
  total: number;
  /** From 0. */
  epoch: number;
  loss: number;
  crossEntropy: number;
  prunedRate: number;
}

/** What a training does, with the decisions that the penalty counts for. */
export interface TrainingOptions extends PenaltyDecisions {
  loss: LossOptions;
  /** Whether the loss is over the tokens that the trie allows, or over all. */
  isMasked: boolean;
  /** Weights of the tokens, on top of the loss; default none. */
  apao?: ApaoSettings;
  epochs: number;
  batchSize: number;
  /** At the first step; falls to 0 in a straight line. */
  learningRate: number;
  weightDecay: number;
  /** Share of the context and of the hidden vectors that is dropped. */
  dropout: number;
  seed: number;
  /** Called after each step with the means of the epoch so far. */
  onStep?: (progress: StepProgress) => void;
}
