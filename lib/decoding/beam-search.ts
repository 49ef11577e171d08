import { requirePositiveInteger } from './decoding-error.js';
import {
  checkDecodingOptions,
  type DecodingOptions,
  firstPrefixes,
  forEachChild,
  makeRequest,
  prolong,
} from './prefix-step.js';
import { LeafRanking, type RankedItem } from './ranked-item.js';
import { TopSelection } from './top-selection.js';

export interface BeamSearchOptions<State> extends DecodingOptions<State> {
  /** Hypotheses kept for each user: B. Default 10. */
  beamWidth?: number;
}

const DEFAULT_USERS_PER_STEP = 128;
/** In place of a row, for a hypothesis that is already complete. */
const COMPLETE = -1;

/**
 * Beam search over the catalogue: at each step every hypothesis of a user is prolonged by all its children, and the best
 * `beamWidth` stay, complete ones among them. Scores are sums of masked log-softmax values (of the children only), without
 * length normalisation. With a beam as wide as the catalogue the result is that of `exactTopItems`.
 *
 * At equal scores the prefix with the lower trie node stays, and the item with the lower id is ranked first.
 *
 * @returns for each user at most `beamWidth` items, best first
 * @throws TypeError or RangeError with a `code`: `ERR_BEAR_ARGUMENT_TYPE`, `ERR_BEAR_OPTION_VALUE`; `ERR_BEAR_SHAPE` or
 *   `ERR_BEAR_NOT_FINITE` for logits of the wrong length, NaN or plus infinity. What `step` throws is passed on.
 */
export async function beamSearch<State>(options: BeamSearchOptions<State>): Promise<RankedItem[][]> {
  checkDecodingOptions(options);
  requirePositiveInteger(options.beamWidth ?? 10, 'beamWidth');
  const { users, usersPerStep = DEFAULT_USERS_PER_STEP } = options;
  const rankings: RankedItem[][] = [];
  for (let firstUser = 0; firstUser < users; firstUser += usersPerStep) {
    rankings.push(...(await searchUsers(options, firstUser, Math.min(firstUser + usersPerStep, users))));
  }
  return rankings;
}

interface Complete {
  leaf: number;
  score: number;
}

/** Beam search for the users from `firstUser` up to `endUser`; options as checked. */
export async function searchUsers<State>(
  options: BeamSearchOptions<State>,
  firstUser: number,
  endUser: number,
): Promise<RankedItem[][]> {
  const { step, trie, beamWidth = 10 } = options;
  let prefixes = firstPrefixes(options, firstUser, endUser);
  let complete = prefixes.map(({ node, score }): Complete[] => (trie.isLeaf(node) ? [{ leaf: node, score }] : []));
  prefixes = prefixes.filter(({ node }) => !trie.isLeaf(node));
  let state: State | undefined;
  while (prefixes.length > 0) {
    const request = makeRequest(trie, prefixes, state);
    const result = await step(request);
    state = result.state;
    const selections = complete.map((hypotheses) => {
      const selection = new TopSelection(beamWidth);
      for (const { leaf, score } of hypotheses) selection.offer(score, leaf, COMPLETE);
      return selection;
    });
    forEachChild(options, prefixes, request.allowed, result, (row, child, score) => {
      const user = request.users[row] as number;
      (selections[user - firstUser] as TopSelection).offer(score, child, row);
    });
    prefixes = [];
    complete = selections.map((selection, index) => {
      const ended: Complete[] = [];
      for (const { score, id, tag } of selection.ranked()) {
        if (tag === COMPLETE) {
          ended.push({ leaf: id, score });
          continue;
        }
        const prefix = prolong(options, firstUser + index, tag, id, score);
        if (trie.isLeaf(prefix.node)) ended.push({ leaf: prefix.node, score });
        else prefixes.push(prefix);
      }
      return ended;
    });
  }
  return complete.map((hypotheses) => {
    const ranking = new LeafRanking(trie, beamWidth);
    for (const { leaf, score } of hypotheses) ranking.offer(leaf, score);
    return ranking.ranked();
  });
}
