import { beamSearch, exactTopItems, type PruningRate, pruningRate, rankOfItem } from 'fused-bear-loss/decoding';
import type { Row } from './data.js';
import type { Recommender } from './model.js';

export const BEAM_WIDTH = 10;

export interface Evaluation {
  /** Rank of each row's target in the result of beam search, counted from 0; -1 where it is not there. */
  beamRanks: number[];
  /** The same among all items, by exact scores. */
  exactRanks: number[];
  pruning: PruningRate;
}

export async function evaluate(model: Recommender, rows: readonly Row[]): Promise<Evaluation> {
  const { trie } = model.catalogue;
  const step = model.stepFunction(await model.contexts(rows));
  const search = { step, trie, users: rows.length };
  const found = await beamSearch({ ...search, beamWidth: BEAM_WIDTH });
  const exact = await exactTopItems({ ...search, count: BEAM_WIDTH });
  const ranksIn = (rankings: typeof found) =>
    rankings.map((ranking, row) => rankOfItem(ranking, rows[row]?.target ?? -1));
  const beamRanks = ranksIn(found);
  const exactRanks = ranksIn(exact);
  return { beamRanks, exactRanks, pruning: pruningRate(exactRanks, beamRanks, BEAM_WIDTH) };
}
