import Table from 'cli-table3';
import { hitRatioAt, ndcgAt, type PruningRate, pruningRate } from 'fused-bear-loss/decoding';
import { median } from '../comparison/summary.js';
import { rankBaselines } from '../training/baselines.js';
import { ofExactRows } from '../training/evaluation.js';
import type { RunResult } from '../training/run.js';
import type { Workbench } from '../training/workbench.js';

/** One line of the table. A baseline has no beam and no loss. */
export interface ResultLine {
  name: string;
  ranks: number[];
  pruning?: PruningRate;
  /** Time in `fusedLinearBearLoss` as a share of the training steps. */
  lossShare?: number;
}

export function baselineLines(workbench: Workbench): ResultLine[] {
  return rankBaselines(workbench, workbench.split.test).flat();
}

export function modelLine(name: string, { test, metrics, options }: RunResult): ResultLine {
  const total = (name: 'lossMilliseconds' | 'stepMilliseconds') => metrics.reduce((sum, epoch) => sum + epoch[name], 0);
  const { exactRanks, beamRanks } = ofExactRows(test);
  return {
    name,
    ranks: test.beamRanks,
    pruning: pruningRate(exactRanks, beamRanks, options.beamWidth),
    lossShare: total('lossMilliseconds') / total('stepMilliseconds'),
  };
}

/** @param cutoffs of HitRatio and NDCG */
export function resultsTable(lines: readonly ResultLine[], cutoffs: readonly number[]): string {
  const heads = (name: string) => cutoffs.map((k) => `${name}@${k}`);
  const head = ['', ...heads('HR'), ...heads('NDCG'), 'pruning rate', 'loss / step'];
  const table = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
  });
  for (const { name, ranks, pruning, lossShare } of lines) {
    const figures = [...cutoffs.map((k) => hitRatioAt(ranks, k)), ...cutoffs.map((k) => ndcgAt(ranks, k))];
    table.push([name, ...figures.map((figure) => figure.toFixed(4)), formatPruning(pruning), formatShare(lossShare)]);
  }
  return table.toString();
}

function formatPruning(pruning: PruningRate | undefined): string {
  if (!pruning) return '-';
  const { rate, pruned, eligible } = pruning;
  return eligible === 0 ? '- (0 of 0)' : `${formatShare(rate)} (${pruned} of ${eligible})`;
}

function formatShare(share: number | undefined): string {
  return share === undefined ? '-' : `${(100 * share).toFixed(1)} %`;
}

/** How long it took and how fast it was, before the table. */
export function describeResult({ bestEpoch, test, parameterCount, metrics, options }: RunResult): string {
  const perSecond = (users: number, milliseconds: number) =>
    `${((1000 * users) / milliseconds).toFixed(0)} users a second`;
  const { beamRanks, searchMilliseconds, exactRanks, exactMilliseconds } = test;
  const ofEpochs = metrics.flatMap(({ steps, stepMilliseconds }) => (steps ? [stepMilliseconds / steps] : []));
  const steps = metrics.reduce((sum, epoch) => sum + epoch.stepMilliseconds, 0);
  const each = ofEpochs.length === 0 ? '' : `, ${median(ofEpochs).toFixed(1)} ms each (median of the epochs)`;
  const exact = exactMilliseconds ? `, exact scores: ${perSecond(exactRanks.length, exactMilliseconds)}` : '';
  return [
    `Best epoch: ${bestEpoch} of ${metrics.length}, of ${parameterCount} parameters.`,
    `Training steps: ${seconds(steps)}${each}.`,
    `Beam search of width ${options.beamWidth}: ${perSecond(beamRanks.length, searchMilliseconds)}${exact}.`,
    `On ${beamRanks.length} test rows:`,
  ].join('\n');
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
