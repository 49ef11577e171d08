import type { TokenTrie } from 'fused-bear-loss/decoding';
import type { Query, Row } from '../data/dataset.js';
import { NeighbourCounts } from '../data/neighbour-counts.js';
import { RecentTargets } from '../data/recent-targets.js';

/** A score for each item that has one, given a query. */
export type Scorer = (query: Query) => ReadonlyMap<number, number>;

/** How many of the last items vote. */
const VOTERS = 3;
const RECENT_ROWS = 300;

/** How often each item was the target. */
export function popularity(train: readonly Row[]): Scorer {
  const counts = new Map<number, number>();
  for (const { target } of train) counts.set(target, (counts.get(target) ?? 0) + 1);
  return () => counts;
}

/** How often each item was the target in the 300 training rows just before the query's time. */
export function recentPopularity(train: readonly Row[]): Scorer {
  const recent = new RecentTargets(train);
  return ({ time, user, knownUntil = time }) => {
    const counts = new Map<number, number>();
    recent.forEachBefore(knownUntil, RECENT_ROWS, user, (item) => counts.set(item, (counts.get(item) ?? 0) + 1));
    return counts;
  };
}

/**
 * Item-to-item counts: each of the last three items votes for what came after it in training, within three places, near ones
 * more. No training; recommenders on small data find it hard to beat.
 */
export function itemToItem(train: readonly Row[]): Scorer {
  const neighbours = new NeighbourCounts(train);
  return (query) => {
    const scores = new Map<number, number>();
    query.history
      .slice(-VOTERS)
      .reverse()
      .forEach((item, age) => {
        neighbours.forEachFollower(item, query, (later, count) => {
          scores.set(later, (scores.get(later) ?? 0) + count / (age + 1));
        });
      });
    return scores;
  };
}

const BASELINES: readonly { name: string; scorer: (train: readonly Row[]) => Scorer }[] = [
  { name: 'popularity', scorer: popularity },
  { name: 'popularity, recent', scorer: recentPopularity },
  { name: 'item-to-item counts', scorer: itemToItem },
];

export interface BaselineRanks {
  name: string;
  /** As {@link baselineRanks} has them. */
  ranks: number[];
}

/** How the baselines, counted from the training rows, rank the targets of each list of rows. */
export function rankBaselines(
  train: readonly Row[],
  trie: TokenTrie,
  ...parts: readonly (readonly Row[])[]
): BaselineRanks[][] {
  const scorers = BASELINES.map(({ name, scorer }) => ({ name, scorer: scorer(train) }));
  return parts.map((rows) => scorers.map(({ name, scorer }) => ({ name, ranks: baselineRanks(scorer, rows, trie) })));
}

/**
 * Rank of each row's target, counted from 0; -1 where it has no score. Items with the same title are one place, as in the
 * ranking of a model; at equal scores the lower item id comes first.
 */
export function baselineRanks(scorer: Scorer, rows: readonly Row[], trie: TokenTrie): number[] {
  return rows.map((row) => {
    const byLeaf = new Map<number, number>();
    for (const [item, score] of scorer(row)) {
      const leaf = trie.leafOf(item);
      byLeaf.set(leaf, (byLeaf.get(leaf) ?? 0) + score);
    }
    const targetLeaf = trie.leafOf(row.target);
    const targetScore = byLeaf.get(targetLeaf);
    if (targetScore === undefined) return -1;
    const lowestItem = (leaf: number) => trie.items(leaf)[0] as number;
    let rank = 0;
    for (const [leaf, score] of byLeaf) {
      if (score > targetScore || (score === targetScore && lowestItem(leaf) < lowestItem(targetLeaf))) rank++;
    }
    return rank;
  });
}
