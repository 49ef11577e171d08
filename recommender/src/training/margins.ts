import { fusedLinearBearLoss } from 'fused-bear-loss';
import type { Row } from '../data/dataset.js';
import { decisionsOf, makeBatch } from '../model/batches.js';
import type { Recommender } from '../model/model.js';

/** Margins are counted in bins of this width, from -LIMIT to LIMIT; what lies beyond counts in the outer bins. */
const BIN_WIDTH = 0.25;
const LIMIT = 8;

/** How far targets lie below the threshold that a beam of width B sets at each decision, by the right prefix. */
export interface MarginHistogram {
  binWidth: number;
  /** Lower edge of the first bin. */
  from: number;
  /** By decision (the last one takes all later ones): decisions in each bin. */
  counts: number[][];
  /** By decision: how many there are, and how many have a margin above 0. */
  decisions: number[];
  pruned: number[];
}

const DECISIONS_TOLD_APART = 6;
const BATCH = 128;

/** Decisions that leave more than `beamWidth` choices: others cannot prune by themselves and are left out. */
export async function marginHistogram(
  model: Recommender,
  rows: readonly Row[],
  beamWidth: number,
  temperature = 1,
): Promise<MarginHistogram> {
  const bins = (2 * LIMIT) / BIN_WIDTH;
  const places = Array.from({ length: DECISIONS_TOLD_APART }, (_, index) => index);
  const histogram: MarginHistogram = {
    binWidth: BIN_WIDTH,
    from: -LIMIT,
    counts: places.map(() => new Array<number>(bins).fill(0)),
    decisions: places.map(() => 0),
    pruned: places.map(() => 0),
  };
  const windows = rows.map((row) => [row]);
  const decisions = windows.reduce((most, window) => Math.max(most, decisionsOf(model.catalogue, window)), 0);
  for (let first = 0; first < rows.length; first += BATCH) {
    const batch = makeBatch(model, windows.slice(first, first + BATCH), BATCH, decisions);
    const numbers = model.decisionNumbers(batch);
    const { hidden, weight, options } = model.output.logits(await model.hiddenRows(batch));
    const { rows: statistics } = fusedLinearBearLoss(hidden, weight, batch.targets, {
      ...options,
      penalty: 'none',
      beamWidth,
      temperature,
      needs: [],
      rows: true,
    });
    statistics.margin.forEach((margin, row) => {
      const choices = (batch.edges.offsets[row + 1] as number) - (batch.edges.offsets[row] as number);
      if (choices <= beamWidth) return;
      count(histogram, numbers[row] as number, margin);
    });
  }
  return histogram;
}

function count(histogram: MarginHistogram, decision: number, margin: number): void {
  const place = Math.min(decision, DECISIONS_TOLD_APART - 1);
  const counts = histogram.counts[place] as number[];
  const bin = Math.min(counts.length - 1, Math.max(0, Math.floor((margin + LIMIT) / BIN_WIDTH)));
  counts[bin] = (counts[bin] as number) + 1;
  histogram.decisions[place] = (histogram.decisions[place] as number) + 1;
  if (margin > 0) histogram.pruned[place] = (histogram.pruned[place] as number) + 1;
}

/** The margin that a share of the decisions lie below, within a bin in a straight line; NaN where there are no decisions. */
export function marginQuantile(
  { counts, decisions, from, binWidth }: MarginHistogram,
  decision: number,
  share: number,
): number {
  const wanted = share * (decisions[decision] ?? 0);
  let below = 0;
  for (const [bin, count] of (counts[decision] ?? []).entries()) {
    if (count > 0 && below + count >= wanted) return from + binWidth * (bin + (wanted - below) / count);
    below += count;
  }
  return Number.NaN;
}
