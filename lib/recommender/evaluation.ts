import { beamSearch, exactTopItems, ndcgAt, type RankedItem, rankOfItem } from '../decoding/index.js';
import type { Row } from './dataset.js';
import type { Recommender } from './model.js';
import { PrunedSteps } from './pruned-steps.js';

export interface Evaluation {
  /** Rank of each row's target in the result of beam search, counted from 0; -1 where it is not there. */
  beamRanks: number[];
  /** The same among all items, by exact scores. */
  exactRanks: number[];
  /** The decision, counted from 0, at which the beam lost each row's target; -1 where it did not. */
  lostAt: number[];
  searchMilliseconds: number;
}

/** Beam search, and what it should have found. */
export async function evaluate(model: Recommender, rows: readonly Row[], beamWidth: number): Promise<Evaluation> {
  const { trie } = model.catalogue;
  const evaluation: Evaluation = { beamRanks: [], exactRanks: [], lostAt: [], searchMilliseconds: 0 };
  for (const some of chunks(rows, model.queriesAtOnce)) {
    const started = performance.now();
    const step = await model.stepFunction(some);
    const watched = new PrunedSteps(model.catalogue, some);
    const found = await beamSearch({ step: watched.watch(step), trie, users: some.length, beamWidth });
    evaluation.searchMilliseconds += performance.now() - started;
    const beamRanks = targetRanks(found, some);
    evaluation.beamRanks.push(...beamRanks);
    evaluation.lostAt.push(...beamRanks.map((rank, row) => (rank < 0 ? (watched.survived[row] as number) : -1)));
    evaluation.exactRanks.push(
      ...targetRanks(await exactTopItems({ step, trie, users: some.length, count: beamWidth }), some),
    );
  }
  return evaluation;
}

/** NDCG@10 of the beam search alone: what validation looks at. */
export async function validationNdcg(model: Recommender, rows: readonly Row[], beamWidth: number): Promise<number> {
  const ranks: number[] = [];
  for (const some of chunks(rows, model.queriesAtOnce)) {
    const step = await model.stepFunction(some);
    const found = await beamSearch({ step, trie: model.catalogue.trie, users: some.length, beamWidth });
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
