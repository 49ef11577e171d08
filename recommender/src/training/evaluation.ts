import { beamSearch, exactTopItems, ndcgAt, type RankedItem, rankOfItem, traceTargets } from 'fused-bear-loss/decoding';
import type { Row } from '../data/dataset.js';
import type { Recommender } from '../model/model.js';
import { makeSearchStep, queriesAtOnce } from '../model/search-step.js';

export interface Evaluation {
  /** Rank of each row's target in the result of beam search, counted from 0; -1 where it is not there. */
  beamRanks: number[];
  /** The same among all items, by exact scores. */
  exactRanks: number[];
  /** As `traceTargets` has them: the decision at which the beam lost each row's target, or -1, and how many there were. */
  droppedAt: number[];
  steps: number[];
  /** Time of the beam search. */
  searchMilliseconds: number;
}

/** Beam search, and what it should have found. */
export async function evaluate(
  model: Recommender,
  rows: readonly Row[],
  beamWidth: number,
  temperature = 1,
): Promise<Evaluation> {
  const { trie } = model.catalogue;
  const evaluation: Evaluation = { beamRanks: [], exactRanks: [], droppedAt: [], steps: [], searchMilliseconds: 0 };
  for (const some of chunks(rows, queriesAtOnce(model))) {
    const started = performance.now();
    const step = await makeSearchStep(model, some);
    const targets = some.map(({ target }) => target);
    const search = { step, trie, users: some.length, temperature };
    const { rankings, droppedAt, steps } = await traceTargets({ ...search, beamWidth, targets });
    evaluation.searchMilliseconds += performance.now() - started;
    evaluation.beamRanks.push(...targetRanks(rankings, some));
    evaluation.droppedAt.push(...droppedAt);
    evaluation.steps.push(...steps);
    evaluation.exactRanks.push(...targetRanks(await exactTopItems({ ...search, count: beamWidth }), some));
  }
  return evaluation;
}

/** NDCG@10 of the beam search alone: what validation looks at. */
export async function validationNdcg(
  model: Recommender,
  rows: readonly Row[],
  beamWidth: number,
  temperature = 1,
): Promise<number> {
  const ranks: number[] = [];
  for (const some of chunks(rows, queriesAtOnce(model))) {
    const step = await makeSearchStep(model, some);
    const found = await beamSearch({ step, trie: model.catalogue.trie, users: some.length, beamWidth, temperature });
    ranks.push(...targetRanks(found, some));
  }
  return ndcgAt(ranks, 10);
}

function targetRanks(rankings: readonly RankedItem[][], rows: readonly Row[]): number[] {
  return rankings.map((ranking, row) => rankOfItem(ranking, rows[row]?.target ?? -1));
}

function chunks<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}
