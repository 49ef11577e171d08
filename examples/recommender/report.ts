import Table from 'cli-table3';
import { hitRatioAt, ndcgAt } from 'fused-bear-loss/decoding';
import type { Evaluation } from './evaluate.js';
import type { TrainingReport } from './train.js';

/** One line of the table. Ranks are those of all seeds, one after the other: the figures are means over rows and seeds. */
export interface Result {
  name: string;
  ranks: number[];
  pruned?: { pruned: number; eligible: number };
  lossShare?: number;
}

export function baselineResult(name: string, ranks: number[]): Result {
  return { name, ranks };
}

export function modelResult(
  name: string,
  runs: readonly { evaluation: Evaluation; training: TrainingReport }[],
): Result {
  const sum = (value: (run: (typeof runs)[number]) => number) => runs.reduce((total, run) => total + value(run), 0);
  return {
    name,
    ranks: runs.flatMap(({ evaluation }) => evaluation.beamRanks),
    pruned: {
      pruned: sum(({ evaluation }) => evaluation.pruning.pruned),
      eligible: sum(({ evaluation }) => evaluation.pruning.eligible),
    },
    lossShare: sum(({ training }) => training.lossMilliseconds) / sum(({ training }) => training.stepMilliseconds),
  };
}

export function formatTable(results: readonly Result[]): string {
  const table = new Table({
    head: ['', 'HR@1', 'HR@5', 'HR@10', 'NDCG@5', 'NDCG@10', 'pruning rate', 'loss / step'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const { name, ranks, pruned, lossShare } of results) {
    const figures = [
      hitRatioAt(ranks, 1),
      hitRatioAt(ranks, 5),
      hitRatioAt(ranks, 10),
      ndcgAt(ranks, 5),
      ndcgAt(ranks, 10),
    ];
    table.push([name, ...figures.map((figure) => figure.toFixed(4)), formatPruning(pruned), formatShare(lossShare)]);
  }
  return table.toString();
}

/** How far chance alone moves the figures of the models: what a difference must exceed before it says anything. */
export function noiseStatement(results: readonly Result[], testRows: number): string {
  const models = results.filter(({ lossShare }) => lossShare !== undefined);
  const mean = models.reduce((sum, { ranks }) => sum + hitRatioAt(ranks, 10), 0) / models.length;
  const error = Math.sqrt((mean * (1 - mean)) / testRows);
  return (
    `One standard error of a HitRatio@10 of ${mean.toFixed(3)} on ${testRows} rows is ${error.toFixed(4)}, more as rows of a ` +
    'user overlap, and another seed moves it, too:\na difference between the losses of that order means nothing.'
  );
}

function formatPruning(pruned: Result['pruned']): string {
  if (!pruned) return '-';
  if (pruned.eligible === 0) return '- (0 of 0)';
  return `${formatShare(pruned.pruned / pruned.eligible)} (${pruned.pruned} of ${pruned.eligible})`;
}

function formatShare(share: number | undefined): string {
  return share === undefined ? '-' : `${(100 * share).toFixed(1)} %`;
}
