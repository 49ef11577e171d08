import { fusedLinearBearLoss } from 'fused-bear-loss';
import type { Catalogue } from '../data/catalogue.js';
import type { Batch } from '../model/batches.js';
import type { Dropout, Recommender } from '../model/model.js';
import type { AdamW } from './adam.js';
import { apaoTokenWeights, type ItemRows } from './apao.js';
import { type PenaltyDecisions, penaltyWeights } from './losses.js';
import type { TrainingOptions } from './training-options.js';

export interface StepOutcome {
  loss: number;
  /** The mean over the counted rows, without the penalty. */
  crossEntropy: number;
  countedRows: number;
  prunedRate: number;
  /** Time in `fusedLinearBearLoss`, and in the whole step without making the batch. */
  lossMilliseconds: number;
  milliseconds: number;
}

/**
 * One step of training: hidden vectors from jax-js; logits, the loss and its gradients by the linear form; the gradient back
 * through jax-js.
 */
export async function trainStep(
  model: Recommender,
  batch: Batch,
  { loss, isMasked, apao, ...decisions }: Pick<TrainingOptions, 'loss' | 'isMasked' | 'apao'> & PenaltyDecisions,
  dropout: Dropout,
  optimizer: AdamW,
  learningRate: number,
): Promise<StepOutcome> {
  const started = performance.now();
  const { output, catalogue } = model;
  const rows = await model.trainingRows(batch, dropout);
  const logits = output.logits(rows, isMasked);
  const options = { ...loss, ...logits.options, rows: true } as const;
  const weights = penaltyWeights(decisions, model.decisionNumbers(batch));
  const lossStarted = performance.now();
  /** One forward call: the weights of APAO need the cross-entropy of all rows. */
  const rowLosses = () =>
    fusedLinearBearLoss(logits.hidden, logits.weight, batch.targets, { ...options, needs: [] }).rows.nll;
  const tokenWeights = apao && apaoTokenWeights(rowLosses(), tokenRows(batch, catalogue), catalogue.trie, apao);
  const result = fusedLinearBearLoss(logits.hidden, logits.weight, batch.targets, {
    ...options,
    ...(weights && { penaltyWeights: weights }),
    ...(tokenWeights && { tokenWeights }),
  });
  const lossMilliseconds = performance.now() - lossStarted;
  const gradients = await model.gradients(batch, rows, result.gradHidden, output.gradients(rows, logits, result));
  optimizer.update(model.parameters, gradients, learningRate);
  return {
    loss: result.loss as number,
    // Ignored rows have 0.
    crossEntropy: result.rows.nll.reduce((sum, nll) => sum + nll, 0) / Math.max(1, result.countedRows),
    countedRows: result.countedRows,
    prunedRate: result.prunedRate,
    lossMilliseconds,
    milliseconds: performance.now() - started,
  };
}

/** The decisions of a batch with the tokens to take in place of the edges. */
function tokenRows({ nodes, targets }: Batch, { branches: { edgeTokens } }: Catalogue): ItemRows {
  return { nodes, targets: targets.map((edge) => edgeTokens[edge] ?? edge) };
}
