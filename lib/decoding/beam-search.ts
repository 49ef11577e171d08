import { positiveInteger } from '../options/rules.js';
import { firstPrefixes, normalizedScore, type Prefix, prolong, prolongPrefixes } from './prefix-step.js';
import { LeafRanking, type RankedItem } from './ranked-item.js';
import { readNumber } from './rules.js';
import { type DecodingOptions, readSearchOptions, type Search } from './search-options.js';
import { type Candidate, TopSelection } from './top-selection.js';

export interface BeamSearchOptions<State> extends DecodingOptions<State> {
  /**
   * B, the hypotheses kept for each user: a positive integer.
   *
   * @default 10
   */
  beamWidth?: number;
  /** Largest number of items to return for each user. Default: `beamWidth`. */
  maxResults?: number;
}

/** Checked, with defaults filled in. */
export type BeamSearch<State> = Search<State> & Required<Pick<BeamSearchOptions<State>, 'beamWidth' | 'maxResults'>>;

const DEFAULT_USERS_PER_STEP = 128;

/**
 * Beam search over the catalogue: at each step every hypothesis of a user is prolonged by its best children (`topTokens`),
 * and the best `beamWidth` stay, complete ones among them. Scores are sums of masked log-softmax values (of the children
 * only). With a beam as wide as the catalogue the result is that of `exactTopItems`.
 *
 * At equal scores the prefix with the lower trie node stays, and the item with the lower id is ranked first.
 *
 * @returns for each user at most `maxResults` items, best first
 * @throws TypeError or RangeError with a `code`: `ERR_BEAR_ARGUMENT_TYPE`, `ERR_BEAR_OPTION_VALUE`; `ERR_BEAR_SHAPE` or
 *   `ERR_BEAR_NOT_FINITE` for logits of the wrong length, NaN or plus infinity; `ERR_BEAR_OPTION_UNKNOWN`. What `step` throws
 *   is passed on.
 *
 * @example
 * const rankings = await beamSearch({ trie, users: 2, beamWidth: 10, step });
 */
export async function beamSearch<State>(options: BeamSearchOptions<State>): Promise<RankedItem[][]> {
  return searchAllUsers(readBeamSearchOptions(options, []).search, () => {});
}

/** As `readSearchOptions`. */
export function readBeamSearchOptions<State, Own extends string>(
  options: BeamSearchOptions<State>,
  own: readonly Own[],
): { search: BeamSearch<State>; given: Record<Own, unknown> } {
  const names = ['beamWidth', 'maxResults', ...own] as const;
  const { search, given } = readSearchOptions(options, names, DEFAULT_USERS_PER_STEP);
  const beamWidth = readNumber(given.beamWidth, 'beamWidth', positiveInteger, 10);
  const maxResults = readNumber(given.maxResults, 'maxResults', positiveInteger, beamWidth);
  return { search: { ...search, beamWidth, maxResults }, given };
}

/** Called after each step with the nodes that one user keeps, those of complete hypotheses included. */
export type StepObserver = (step: number, user: number, nodes: readonly number[]) => void;

/** `beamSearch`, watched. */
export async function searchAllUsers<State>(search: BeamSearch<State>, observe: StepObserver): Promise<RankedItem[][]> {
  const { users, usersPerStep } = search;
  const rankings: RankedItem[][] = [];
  for (let firstUser = 0; firstUser < users; firstUser += usersPerStep) {
    rankings.push(...(await searchUsers(search, firstUser, Math.min(firstUser + usersPerStep, users), observe)));
  }
  return rankings;
}

interface Complete {
  leaf: number;
  logProbability: number;
  /** Steps that it took. */
  length: number;
}

/** What competes for a place in a user's beam: a complete hypothesis, or a prefix prolonged to a child. */
interface Hypothesis extends Candidate {
  logProbability: number;
  /** Undefined for a prefix. */
  complete: Complete | undefined;
  /** The row of the request that the prefix has; `id` is its child. */
  row: number;
}

interface Beam {
  prefixes: Prefix[];
  complete: Complete[];
}

/** Beam search for the users from `firstUser` up to `endUser`. */
export async function searchUsers<State>(
  search: BeamSearch<State>,
  firstUser: number,
  endUser: number,
  observe: StepObserver,
): Promise<RankedItem[][]> {
  const { beamWidth, lengthPenalty } = search;
  let beams = firstPrefixes(search, firstUser, endUser).map((prefix) => place(search, [prefix], 0));
  let state: State | undefined;
  for (let step = 0; ; step++) {
    const prefixes = beams.flatMap((beam) => beam.prefixes);
    if (prefixes.length === 0) return beams.map(({ complete }) => rank(search, complete));
    const selections = beams.map(({ complete }) => beginSelection(search, complete));
    ({ state } = await prolongPrefixes(search, prefixes, state, beamWidth, ({ user }, row, child, logProbability) => {
      const selection = selections[user - firstUser] as TopSelection<Hypothesis>;
      const score = normalizedScore(logProbability, step + 1, lengthPenalty);
      // At equal scores a child that comes later may have the lower id.
      if (!selection.takes(score, child)) return selection.takes(score, -1);
      selection.offer({ score, id: child, logProbability, complete: undefined, row });
      return true;
    }));
    const searching = new Set(prefixes.map(({ user }) => user));
    beams = selections.map((selection, index) => {
      const beam = nextBeam(search, selection, firstUser + index, step + 1);
      if (searching.has(firstUser + index)) observe(step, firstUser + index, nodesOf(beam));
      return beam;
    });
  }
}

/** A user's prefixes and what of them is complete. */
function place<State>({ trie }: BeamSearch<State>, arrived: readonly Prefix[], length: number): Beam {
  const complete = arrived.filter(({ node }) => trie.isLeaf(node));
  return {
    prefixes: arrived.filter(({ node }) => !trie.isLeaf(node)),
    complete: complete.map(({ node, logProbability }) => ({ leaf: node, logProbability, length })),
  };
}

function beginSelection<State>({ beamWidth, lengthPenalty }: BeamSearch<State>, complete: readonly Complete[]) {
  const selection = new TopSelection<Hypothesis>(beamWidth);
  for (const hypothesis of complete) {
    const { leaf, logProbability, length } = hypothesis;
    const score = normalizedScore(logProbability, length, lengthPenalty);
    selection.offer({ score, id: leaf, logProbability, complete: hypothesis, row: -1 });
  }
  return selection;
}

function nextBeam<State>(
  search: BeamSearch<State>,
  selection: TopSelection<Hypothesis>,
  user: number,
  length: number,
): Beam {
  const kept = selection.ranked();
  const arrived = kept.flatMap(({ complete, row, id, logProbability }) =>
    complete === undefined ? [prolong(search, user, row, id, logProbability)] : [],
  );
  const beam = place(search, arrived, length);
  return { prefixes: beam.prefixes, complete: [...kept.flatMap(({ complete }) => complete ?? []), ...beam.complete] };
}

function nodesOf({ prefixes, complete }: Beam): number[] {
  return [...prefixes.map(({ node }) => node), ...complete.map(({ leaf }) => leaf)];
}

function rank<State>(search: BeamSearch<State>, complete: readonly Complete[]): RankedItem[] {
  const { trie, maxResults, lengthPenalty } = search;
  const ranking = new LeafRanking(trie, maxResults);
  for (const { leaf, logProbability, length } of complete) {
    ranking.offer(leaf, normalizedScore(logProbability, length, lengthPenalty), logProbability);
  }
  return ranking.ranked();
}
