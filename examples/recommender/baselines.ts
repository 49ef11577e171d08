import type { TokenTrie } from 'fused-bear-loss/decoding';
import type { Row } from './data.js';

/** A score for each item that has one, given a history. */
export type Scorer = (history: readonly number[]) => ReadonlyMap<number, number>;

/** How far apart in a history two items may be to count as a pair, and how many of the last items vote. */
const REACH = 3;

/** How often each item was the target. */
export function popularity(train: readonly Row[]): Scorer {
  const counts = new Map<number, number>();
  for (const { target } of train) counts.set(target, (counts.get(target) ?? 0) + 1);
  return () => counts;
}

/**
 * Item-to-item counts: each of the last three items votes for what came after it in training, within three places, near ones
 * more. No training; recommenders on small data find it hard to beat.
 */
export function itemToItem(train: readonly Row[]): Scorer {
  const followers = new Map<number, Map<number, number>>();
  for (const { history, target } of train) {
    const items = [...history, target];
    items.forEach((item, place) => {
      const counts = followers.get(item) ?? new Map<number, number>();
      followers.set(item, counts);
      items.slice(place + 1, place + 1 + REACH).forEach((later, distance) => {
        counts.set(later, (counts.get(later) ?? 0) + 1 / (distance + 1));
      });
    });
  }
  return (history) => {
    const scores = new Map<number, number>();
    [...history.slice(-REACH)].reverse().forEach((item, age) => {
      for (const [later, count] of followers.get(item) ?? []) {
        scores.set(later, (scores.get(later) ?? 0) + count / (age + 1));
      }
    });
    return scores;
  };
}

/**
 * Rank of each row's target, counted from 0; -1 where it has no score. Items with the same title are one place, as in the
 * ranking of a model; at equal scores the lower item id comes first.
 */
export function baselineRanks(scorer: Scorer, rows: readonly Row[], trie: TokenTrie): number[] {
  return rows.map(({ history, target }) => {
    const byLeaf = new Map<number, number>();
    for (const [item, score] of scorer(history)) {
      const leaf = trie.leafOf(item);
      byLeaf.set(leaf, (byLeaf.get(leaf) ?? 0) + score);
    }
    const targetLeaf = trie.leafOf(target);
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
