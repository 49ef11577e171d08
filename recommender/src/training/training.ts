import type { Row } from '../data/dataset.js';
import { type Batch, makeBatch, planBatches } from '../model/batches.js';
import type { Dropout, Recommender } from '../model/model.js';
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
  /** Time in `fusedBearLoss`, and in whole steps: batch, forward, loss, backward, update. */
  lossMilliseconds: number;
  stepMilliseconds: number;
}

/** Trains epoch by epoch. What the next epoch does follows from the parameters, the optimiser and `random`. */
export class Trainer {
  readonly optimizer: AdamW;
  readonly random: Random;

  constructor(
    private readonly model: Recommender,
    private readonly rows: readonly Row[],
    private readonly options: TrainingOptions,
  ) {
    this.optimizer = new AdamW({ weightDecay: options.weightDecay });
    this.random = new Random(options.seed);
  }

  /** @throws Error where loss or parameters are not finite any more */
  async trainEpoch(epoch: number): Promise<EpochReport> {
    const { epochs, learningRate, dropout, onStep } = this.options;
    const batchSize = effectiveBatchSize(this.options.batchSize, this.rows.length);
    const plans = planBatches(this.model.catalogue, this.rows, batchSize, this.random);
    const total = plans.length * epochs;
    const sums = { loss: 0, crossEntropy: 0, pruned: 0, counted: 0, lossMilliseconds: 0, stepMilliseconds: 0 };
    for (const [index, { rows, steps }] of plans.entries()) {
      const started = performance.now();
      const batch = makeBatch(this.model, rows, batchSize, steps);
      sums.stepMilliseconds += performance.now() - started;
      const done = epoch * plans.length + index;
      const rate = learningRate * (1 - done / total);
      const step = await trainStep(
        this.model,
        batch,
        this.options,
        this.dropoutOf(batch, dropout),
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
    return { ...meansOf(sums), lossMilliseconds, stepMilliseconds };
  }

  /** Kept entries are scaled up, so that nothing needs scaling without dropout. */
  private dropoutOf({ size, nodes }: Batch, share: number): Dropout {
    const { dimension } = this.model.size;
    const factors = (length: number) =>
      Float32Array.from({ length }, () => (this.random.uniform() < share ? 0 : 1 / (1 - share)));
    return { context: factors(size * dimension), hidden: factors(nodes.length * dimension) };
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
