import { fusedBearLoss } from 'fused-bear-loss';
import type { TokenLists } from 'fused-bear-loss/decoding';
import type { Batch } from '../model/batches.js';
import type { Dropout, Recommender } from '../model/model.js';
import type { LossInput } from '../model/output-layer.js';
import type { AdamW } from './adam.js';
import { apaoTokenWeights } from './apao.js';
import { type PenaltyDecisions, penaltyWeights } from './losses.js';
import type { TrainingOptions } from './training-options.js';

export interface StepOutcome {
  loss: number;
  /** The mean over the counted rows, without the penalty. */
  crossEntropy: number;
  countedRows: number;
  prunedRate: number;
  /** Time in `fusedBearLoss`, and in the whole step without making the batch. */
  lossMilliseconds: number;
  milliseconds: number;
}

/** The logits of the allowed tokens of a batch. They hold until the next call for the model. */
export async function lossInput(model: Recommender, batch: Batch, dropout?: Dropout): Promise<LossInput> {
  const rows = await model.hiddenRows(batch, dropout);
  const edgeVectors = model.output.edgeVectors();
  const shape: [number, number] = [batch.nodes.length, model.catalogue.vocabulary.choices];
  const logits = model.maskedLogits(shape[0] * shape[1]);
  const allowed = model.output.logits(rows, edgeVectors);
  forEachPlace(batch.allowed, shape[1], (entry, place) => {
    logits[place] = allowed[entry] as number;
  });
  return { rows, edgeVectors, logits, shape };
}

/** The logits of all tokens. Those of allowed ones are the same as with the mask. */
export async function unmaskedLossInput(model: Recommender, batch: Batch, dropout: Dropout): Promise<LossInput> {
  const rows = await model.hiddenRows(batch, dropout);
  const edgeVectors = model.output.ownVectors();
  const shape: [number, number] = [batch.nodes.length, model.catalogue.vocabulary.choices];
  const logits = await model.tokenLogits(rows.hidden);
  const extra = model.output.logits(rows, edgeVectors);
  forEachPlace(batch.allowed, shape[1], (entry, place) => {
    logits[place] = (logits[place] as number) + (extra[entry] as number);
  });
  return { rows, edgeVectors, logits, shape };
}

/**
 * One step of training: hidden vectors from jax-js, logits, the loss and its gradient natively, the gradient back through the
 * output layer and jax-js.
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
  const input = await (isMasked ? lossInput : unmaskedLossInput)(model, batch, dropout);
  const weights = penaltyWeights(decisions, model.decisionNumbers(batch));
  const lossStarted = performance.now();
  const logits = { data: input.logits, shape: input.shape };
  const tokenWeights = apao && apaoTokenWeights(rowLosses(), batch, model.catalogue.trie, apao);
  const result = fusedBearLoss(logits, batch.targets, {
    ...loss,
    rows: true,
    ...(weights && { penaltyWeights: weights }),
    ...(tokenWeights && { tokenWeights }),
    ...(isMasked ? { allowed: batch.allowed, gradient: 'in-place-sparse' } : { gradient: 'in-place' }),
  });
  /** One forward call: the weights of APAO need the cross-entropy of all rows. */
  function rowLosses(): Float32Array {
    const options = { ...loss, rows: true as const, gradient: false as const };
    return fusedBearLoss(logits, batch.targets, { ...options, ...(isMasked && { allowed: batch.allowed }) }).rows.nll;
  }
  const lossMilliseconds = performance.now() - lossStarted;
  const gradAllowed = new Float32Array(batch.allowed.tokens.length);
  forEachPlace(batch.allowed, input.shape[1], (entry, place) => {
    gradAllowed[entry] = input.logits[place] as number;
  });
  const gradients = isMasked
    ? await model.gradients(batch, dropout, input, gradAllowed)
    : await model.unmaskedGradients(batch, dropout, input, gradAllowed);
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

function forEachPlace(
  { offsets, tokens }: TokenLists,
  vocabSize: number,
  visit: (entry: number, place: number) => void,
): void {
  for (let row = 0; row + 1 < offsets.length; row++) {
    for (let entry = offsets[row] as number; entry < (offsets[row + 1] as number); entry++) {
      visit(entry, row * vocabSize + (tokens[entry] as number));
    }
  }
}
