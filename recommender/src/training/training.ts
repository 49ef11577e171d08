import type { Row } from '../data/dataset.js';
import { cutWindows, userSequences } from '../data/sequences.js';
import { makeBatch, planBatches } from '../model/batches.js';
import { makeDropout, type Recommender, UNDECAYED } from '../model/model.js';
import { Random } from '../random/random.js';
import { AdamW } from './adam.js';
import { effectiveBatchSize } from './memory.js';
import type { TrainingOptions } from './training-options.js';
import { trainStep } from './training-step.js';

export interface EpochReport {
  /** Means over the decisions of the epoch. */
  loss: number;
  crossEntropy: number;
  prunedRate: number;
  /** Earlier versions did not count them. */
  steps?: number;
  /** Time in `fusedLinearBearLoss`, and in whole steps: batch, forward, loss, backward, update. */
  lossMilliseconds: number;
  stepMilliseconds: number;
}

/** Trains epoch by epoch. What the next epoch does follows from the parameters, the optimiser and `random`. */
export class Trainer {
  readonly optimizer: AdamW;
  readonly random: Random;
  private readonly sequences: Row[][];

  constructor(
    private readonly model: Recommender,
    rows: readonly Row[],
    private readonly options: TrainingOptions,
  ) {
    this.sequences = userSequences(rows);
    this.optimizer = new AdamW({ weightDecay: options.weightDecay, undecayed: UNDECAYED });
    this.random = new Random(options.seed);
  }

  /** @throws Error where loss or parameters are not finite any more */
  async trainEpoch(epoch: number): Promise<EpochReport> {
    const { epochs, learningRate, dropout, onStep } = this.options;
    const windows = cutWindows(this.sequences, this.model.historyPlaces, (count) => this.random.integer(count));
    const batchSize = effectiveBatchSize(this.options.batchSize, windows.length);
    const plans = planBatches(this.model.catalogue, windows, batchSize, this.random);
    const total = plans.length * epochs;
    const sums = { loss: 0, crossEntropy: 0, pruned: 0, counted: 0, lossMilliseconds: 0, stepMilliseconds: 0 };
    for (const [index, { windows, decisions }] of plans.entries()) {
      const started = performance.now();
      const batch = makeBatch(this.model, windows, batchSize, decisions);
      sums.stepMilliseconds += performance.now() - started;
      const done = epoch * plans.length + index;
      const rate = learningRate * (1 - done / total);
      const step = await trainStep(
        this.model,
        batch,
        this.options,
        // Kept entries are scaled up, so that nothing needs scaling without dropout.
        makeDropout(batch, this.model.size, (length) => this.random.split(length, dropout, 0, 1 / (1 - dropout))),
        this.optimizer,
        rate,
      );
      if (!Number.isFinite(step.loss)) throw divergence(epoch, `its loss is ${step.loss}`);
      sums.loss += step.loss * step.countedRows;
      sums.crossEntropy += step.crossEntropy * step.countedRows;
      sums.pruned += step.prunedRate * step.countedRows;
      sums.counted += step.countedRows;
      sums.lossMilliseconds += step.lossMilliseconds;
      sums.stepMilliseconds += step.milliseconds;
      onStep?.({ done: done + 1, total, epoch, ...meansOf(sums) });
    }
    for (const [name, { data }] of Object.entries(this.model.parameters)) {
      // The sum is finite only where every number is.
      const total = data.reduce((sum, value) => sum + value, 0);
      if (!Number.isFinite(total)) throw divergence(epoch, `parameter ${name} is not finite`);
    }
    const { lossMilliseconds, stepMilliseconds } = sums;
    return { ...meansOf(sums), steps: plans.length, lossMilliseconds, stepMilliseconds };
  }
}

function meansOf({ counted, ...sums }: Record<'loss' | 'crossEntropy' | 'pruned' | 'counted', number>) {
  return {
    loss: sums.loss / counted,
    crossEntropy: sums.crossEntropy / counted,
    prunedRate: sums.pruned / counted,
  };
}

function divergence(epoch: number, sign: string): Error {
  return new Error(`training has diverged in epoch ${epoch + 1} (${sign}); try a smaller --learning-rate or --lambda`);
}
