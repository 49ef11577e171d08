import type { TokenTrie } from 'fused-bear-loss/decoding';
import type { Dataset, Query, Row } from '../data/dataset.js';
import { NeighbourCounts } from '../data/neighbour-counts.js';
import { RecentTargets } from '../data/recent-targets.js';
import type { Workbench } from './workbench.js';

/** A score for each item that has one, given a query. The same map for all queries where the query does not matter. */
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
    recent.forEachBefore(knownUntil, RECENT_ROWS, user, (place) => {
      const { target } = recent.rows[place] as Row;
      counts.set(target, (counts.get(target) ?? 0) + 1);
    });
    return counts;
  };
}

/** How many users had each item as their newest training target: for data that know no other time than a user's own order. */
export function newestPopularity(train: readonly Row[]): Scorer {
  const newest = new Map<number, Row>();
  for (const row of train)
    if (row.time > (newest.get(row.user)?.time ?? Number.NEGATIVE_INFINITY)) newest.set(row.user, row);
  return popularity([...newest.values()]);
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

interface Baseline {
  name: string;
  scorer: (train: readonly Row[]) => Scorer;
}

/** What every table has beside its models. */
function baselinesOf({ isUntimed }: Dataset): Baseline[] {
  return [
    { name: 'popularity', scorer: popularity },
    { name: 'popularity, recent', scorer: isUntimed ? newestPopularity : recentPopularity },
    { name: 'item-to-item counts', scorer: itemToItem },
  ];
}

export interface BaselineRanks {
  name: string;
  /** As {@link baselineRanks} has them. */
  ranks: number[];
}

/** How the baselines, counted from the training rows, rank the targets of each list of rows. */
export function rankBaselines(
  { dataset, split: { train }, catalogue: { trie } }: Pick<Workbench, 'dataset' | 'split' | 'catalogue'>,
  ...parts: readonly (readonly Row[])[]
): BaselineRanks[][] {
  const scorers = baselinesOf(dataset).map(({ name, scorer }) => ({ name, scorer: scorer(train) }));
  return parts.map((rows) => scorers.map(({ name, scorer }) => ({ name, ranks: baselineRanks(scorer, rows, trie) })));
}

/**
 * Rank of each row's target, counted from 0; -1 where it has no score. Items of one leaf are one place, as in the ranking of a
 * model; at equal scores the lower item id comes first.
 */
export function baselineRanks(scorer: Scorer, rows: readonly Row[], trie: TokenTrie): number[] {
  // A ranking that is the same for all queries is made once.
  let shared: { scores: ReadonlyMap<number, number>; ranks: ReadonlyMap<number, number> } | undefined;
  let last: ReadonlyMap<number, number> | undefined;
  return rows.map((row) => {
    const scores = scorer(row);
    const targetLeaf = trie.leafOf(row.target);
    if (scores !== last) {
      last = scores;
      return rankOf(targetLeaf, leafScores(scores, trie), trie);
    }
    if (shared?.scores !== scores) shared = { scores, ranks: allRanks(leafScores(scores, trie), trie) };
    return shared.ranks.get(targetLeaf) ?? -1;
  });
}

function leafScores(scores: ReadonlyMap<number, number>, trie: TokenTrie): Map<number, number> {
  const byLeaf = new Map<number, number>();
  for (const [item, score] of scores) {
    const leaf = trie.leafOf(item);
    byLeaf.set(leaf, (byLeaf.get(leaf) ?? 0) + score);
  }
  return byLeaf;
}

function rankOf(targetLeaf: number, byLeaf: ReadonlyMap<number, number>, trie: TokenTrie): number {
  const targetScore = byLeaf.get(targetLeaf);
  if (targetScore === undefined) return -1;
  const target = { leaf: targetLeaf, score: targetScore };
  let rank = 0;
  for (const [leaf, score] of byLeaf) if (isBefore({ leaf, score }, target, trie)) rank++;
  return rank;
}

function allRanks(byLeaf: ReadonlyMap<number, number>, trie: TokenTrie): Map<number, number> {
  const ranking = [...byLeaf].map(([leaf, score]) => ({ leaf, score }));
  ranking.sort((one, other) => (isBefore(one, other, trie) ? -1 : 1));
  return new Map(ranking.map(({ leaf }, rank) => [leaf, rank]));
}

interface Place {
  leaf: number;
  score: number;
}

function isBefore(one: Place, other: Place, trie: TokenTrie): boolean {
  if (one.score !== other.score) return one.score > other.score;
  const lowestItem = (leaf: number) => trie.items(leaf)[0] as number;
  return one.leaf !== other.leaf && lowestItem(one.leaf) < lowestItem(other.leaf);
}
