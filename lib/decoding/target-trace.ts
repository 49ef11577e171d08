import { BEAM_SEARCH_OPTIONS, type BeamSearchOptions, searchAllUsers } from './beam-search.js';
import { decodingError } from './decoding-error.js';
import { checkDecodingOptions } from './prefix-step.js';
import type { RankedItem } from './ranked-item.js';
import { TokenTrie } from './token-trie.js';

export interface TargetTraceOptions<State> extends BeamSearchOptions<State> {
  /** `[users]`: the item of each user whose way through the search is watched. */
  targets: ArrayLike<number>;
}

export interface TargetTrace {
  /** The result of `beamSearch`. */
  rankings: RankedItem[][];
  /** `[users]`: the step, counted from 0, after which the beam held no prefix of the target any more; -1: it never fell out. */
  droppedAt: Int32Array;
  /** `[users]`: how many steps the search of the user took. */
  steps: Int32Array;
}

/**
 * Beam search that tells when each user's target fell out of the beam. A step is a call of `step`: with
 * `forcedTokens: 'skip'` a choice, with 'step' a token.
 *
 * @throws as `beamSearch`; RangeError `ERR_BEAR_SHAPE` where there is not one target for each user, `ERR_BEAR_ITEM_UNKNOWN`
 *   for a target that is not in the trie
 */
export async function traceTargets<State>(options: TargetTraceOptions<State>): Promise<TargetTrace> {
  checkDecodingOptions(options, [...BEAM_SEARCH_OPTIONS, 'targets']);
  const { targets, ...search } = options;
  if (targets.length !== search.users) {
    const message = `expected one for each of ${search.users} users, got ${targets.length}`;
    throw decodingError('range', 'ERR_BEAR_SHAPE', 'targets', message);
  }
  const paths = Array.from(targets, (target) => nodesToward(search.trie, target));
  const droppedAt = new Int32Array(search.users).fill(-1);
  const steps = new Int32Array(search.users);
  const rankings = await searchAllUsers(search, (step, user, nodes) => {
    steps[user] = step + 1;
    if (droppedAt[user] === -1 && !nodes.some((node) => paths[user]?.has(node))) droppedAt[user] = step;
  });
  return { rankings, droppedAt, steps };
}

function nodesToward(trie: TokenTrie, item: number): Set<number> {
  const leaf = trie.leafOf(item);
  if (leaf < 0) throw decodingError('range', 'ERR_BEAR_ITEM_UNKNOWN', 'targets', `item ${item} is not in the trie`);
  const nodes = new Set([TokenTrie.root]);
  for (let node = leaf; node !== TokenTrie.root; node = trie.parent(node)) nodes.add(node);
  return nodes;
}

export interface StepPruning {
  step: number;
  /** Rows whose target the beam still held before this step. */
  present: number;
  /** Those of them whose target this step dropped. */
  pruned: number;
  /** `pruned / present`; 0 where no row is present. */
  share: number;
}

/**
 * Which steps of the search drop the targets.
 *
 * @param eligible the rows to count, one flag a row; default all. Those whose target is among the exact best make the
 *   shares those of `pruningRate`, step by step.
 */
export function prunedByStep(
  { droppedAt, steps }: Pick<TargetTrace, 'droppedAt' | 'steps'>,
  eligible?: ArrayLike<boolean | number>,
): StepPruning[] {
  const rows = Array.from(droppedAt.keys()).filter((row) => eligible === undefined || eligible[row]);
  const last = rows.reduce((most, row) => Math.max(most, steps[row] as number), 0);
  return Array.from({ length: last }, (_, step) => {
    const isThere = (row: number) => droppedAt[row] === -1 || (droppedAt[row] as number) >= step;
    const present = rows.filter((row) => (steps[row] as number) > step && isThere(row)).length;
    const pruned = rows.filter((row) => droppedAt[row] === step).length;
    return { step, present, pruned, share: present === 0 ? 0 : pruned / present };
  });
}
