import { positiveInteger } from '../options/rules.js';
import { searchUsers } from './beam-search.js';
import { firstPrefixes, normalizedScore, type Prefix, prolong, prolongPrefixes } from './prefix-step.js';
import { LeafRanking, type RankedItem } from './ranked-item.js';
import { readNumber } from './rules.js';
import { type DecodingOptions, readSearchOptions, type Search } from './search-options.js';

export interface ExactTopItemsOptions<State> extends DecodingOptions<State> {
  /** How many items to return for each user. Default 10. */
  count?: number;
}

/** A step may have a row for every prefix of one length of every user, so few users at once. */
const DEFAULT_USERS_PER_STEP = 64;

/**
 * The bound and the scores held against it come from different batches, whose logits may differ in the last bits: without
 * slack an item could fall below its own score.
 */
const BOUND_SLACK = 1e-3;

/**
 * The most probable items of the whole catalogue: what a beam search ought to find, for catalogues of some thousands of
 * items. Every prefix is scored except where that cannot change the result: a prefix is never less probable than an item that
 * begins with it, so what stands below `count` items already known is left out. A beam search of width `count` runs first,
 * for a good bound; at worst the cost is one model row for each user and inner node.
 *
 * Scores and the order of ties are those of `beamSearch`.
 *
 * @returns for each user at most `count` items, best first
 * @throws as `beamSearch`
 *
 * @example
 * const rankings = await exactTopItems({ trie, users: 2, count: 10, step });
 */
export async function exactTopItems<State>(options: ExactTopItemsOptions<State>): Promise<RankedItem[][]> {
  const { search, given } = readSearchOptions(options, ['count'], DEFAULT_USERS_PER_STEP);
  const count = readNumber(given.count, 'count', positiveInteger, 10);
  const { users, usersPerStep } = search;
  const rankings: RankedItem[][] = [];
  for (let firstUser = 0; firstUser < users; firstUser += usersPerStep) {
    rankings.push(...(await scoreUsers(search, count, firstUser, Math.min(firstUser + usersPerStep, users))));
  }
  return rankings;
}

async function scoreUsers<State>(
  search: Search<State>,
  count: number,
  firstUser: number,
  endUser: number,
): Promise<RankedItem[][]> {
  const { trie, lengthPenalty } = search;
  const found = await searchUsers({ ...search, beamWidth: count, maxResults: count }, firstUser, endUser, () => {});
  const bounds = found.map((ranking) => (ranking[count - 1]?.score ?? -Infinity) - BOUND_SLACK);
  const rankings = found.map(() => new LeafRanking(trie, count));
  // A prefix gains nothing but length: no item below it has a better score than this.
  const longest = Math.max(1, lengthPenalty > 0 ? trie.maxDepth : 1);
  let live: Prefix[] = [];
  const place = (prefix: Prefix, length: number) => {
    const { node, logProbability } = prefix;
    if (!trie.isLeaf(node)) live.push(prefix);
    else
      rankings[prefix.user - firstUser]?.offer(
        node,
        normalizedScore(logProbability, length, lengthPenalty),
        logProbability,
      );
  };
  for (const prefix of firstPrefixes(search, firstUser, endUser)) place(prefix, 0);
  let state: State | undefined;
  for (let length = 1; live.length > 0; length++) {
    const prefixes = live;
    live = [];
    const bestLength = Math.max(length, longest);
    ({ state } = await prolongPrefixes(search, prefixes, state, Infinity, ({ user }, row, child, logProbability) => {
      const bestScore = normalizedScore(logProbability, bestLength, lengthPenalty);
      if (bestScore < (bounds[user - firstUser] as number)) return false;
      place(prolong(search, user, row, child, logProbability), length);
      return true;
    }));
  }
  return rankings.map((ranking) => ranking.ranked());
}
