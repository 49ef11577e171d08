import { beamSearch } from '../decoding/index.js';
import type { Query } from './dataset.js';
import type { Recommender } from './model.js';

export interface Recommendation {
  title: string;
  /** Item ids with this title. */
  items: number[];
  /** Natural logarithm of the title's probability. */
  score: number;
}

/** The best items for one query. Throws where the history has an item that is not in the catalogue. */
export async function recommend(model: Recommender, query: Query, beamWidth: number): Promise<Recommendation[]> {
  const { titles, indexOf, trie } = model.catalogue;
  const unknown = query.history.find((item) => !indexOf.has(item));
  if (unknown !== undefined) throw new Error(`history: item ${unknown} is not in the catalogue`);
  const step = await model.stepFunction([query]);
  const [ranking = []] = await beamSearch({ step, trie, users: 1, beamWidth });
  return ranking.map(({ items, score }) => ({
    title: titles.get(items[0] as number) as string,
    items: [...items],
    score,
  }));
}
