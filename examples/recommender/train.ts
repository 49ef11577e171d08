import { type BearLossOptions, fusedBearLoss } from 'fused-bear-loss';
import { AdamW } from './adam.js';
import { type Batch, makeBatches } from './batches.js';
import type { Row } from './data.js';
import type { Recommender } from './model.js';
import { Random } from './random.js';

export interface TrainingOptions {
  loss: BearLossOptions;
  epochs: number;
  batchSize: number;
  /** At the first step; falls to 0 in a straight line. */
  learningRate: number;
  /** Share of the context vector that is dropped. */
  dropout: number;
  seed: number;
  /** Called after each step with the mean loss of the epoch so far. */
  onStep?: (progress: { done: number; total: number; epoch: number; loss: number; prunedRate: number }) => void;
}

export interface TrainingReport {
  /** Mean loss of each epoch. */
  epochLosses: number[];
  /** Time in `fusedBearLoss`, and in whole steps: batch, forward, loss, backward, update. */
  lossMilliseconds: number;
  stepMilliseconds: number;
}

export async function train(
  model: Recommender,
  rows: readonly Row[],
  options: TrainingOptions,
): Promise<TrainingReport> {
  const { epochs, batchSize, learningRate, onStep } = options;
  const random = new Random(options.seed);
  const optimizer = new AdamW();
  const report: TrainingReport = { epochLosses: [], lossMilliseconds: 0, stepMilliseconds: 0 };
  let done = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const started = performance.now();
    const batches = makeBatches(model.catalogue, rows, batchSize, model.size.historyPlaces, random);
    report.stepMilliseconds += performance.now() - started;
    const total = batches.length * epochs;
    let lossSum = 0;
    let prunedSum = 0;
    let counted = 0;
    for (const batch of batches) {
      const step = await trainStep(model, batch, options, optimizer, learningRate * (1 - done / total), random);
      report.lossMilliseconds += step.lossMilliseconds;
      report.stepMilliseconds += step.milliseconds;
      lossSum += step.loss * step.countedRows;
      prunedSum += step.prunedRate * step.countedRows;
      counted += step.countedRows;
      done++;
      onStep?.({ done, total, epoch, loss: lossSum / counted, prunedRate: prunedSum / counted });
    }
    report.epochLosses.push(lossSum / counted);
  }
  return report;
}

/** Two phases: logits from jax-js to the host, the loss and its gradient natively, the gradient back through jax-js. */
async function trainStep(
  model: Recommender,
  batch: Batch,
  { loss: lossOptions, dropout }: TrainingOptions,
  optimizer: AdamW,
  learningRate: number,
  random: Random,
) {
  const started = performance.now();
  const keep = dropoutMask(batch.size * model.size.dimension, dropout, random);
  const logits = await model.logits(batch, keep);
  const lossStarted = performance.now();
  const shape = [batch.steps * batch.size, model.catalogue.vocabulary.choices];
  const { allowed, targets } = batch;
  const result = fusedBearLoss({ data: logits, shape }, targets, { ...lossOptions, allowed, gradient: 'in-place' });
  const lossMilliseconds = performance.now() - lossStarted;
  const gradients = await model.gradients(batch, keep, result.gradLogits as Float32Array);
  optimizer.update(model.parameters, gradients, learningRate);
  return {
    loss: result.loss as number,
    countedRows: result.countedRows,
    prunedRate: result.prunedRate,
    lossMilliseconds,
    milliseconds: performance.now() - started,
  };
}

/** Kept entries are scaled up, so that nothing needs scaling without dropout. */
function dropoutMask(length: number, dropout: number, random: Random): Float32Array {
  return Float32Array.from({ length }, () => (random.uniform() < dropout ? 0 : 1 / (1 - dropout)));
}
