import { fail, refuse } from '../options/errors.js';
import { elementError, forEachElement, readMembers, readNumbers } from '../options/reading.js';
import { type BeamSearchOptions, readBeamSearchOptions, searchAllUsers } from './beam-search.js';
import type { RankedItem } from './ranked-item.js';
import { TrieWalk } from './trie-walk.js';

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
 * Beam search that records when each user's target fell out of the beam. A step is a call of `step`: with
 * `forcedTokens: 'skip'` a choice, with 'step' a token.
 *
 * @throws as `beamSearch`; RangeError `ERR_BEAR_SHAPE` where there is not one target for each user, `ERR_BEAR_ITEM_UNKNOWN`
 *   for a target that is not in the trie
 *
 * @example
 * const { droppedAt } = await traceTargets({ trie, users: 2, targets: [7, 3], beamWidth: 10, step });
 */
export async function traceTargets<State>(options: TargetTraceOptions<State>): Promise<TargetTrace> {
  const { search, given } = readBeamSearchOptions(options, ['targets']);
  const targets = readNumbers(given.targets, 'targets');
  if (targets.length !== search.users) {
    const expected = `one for each of ${search.users} users`;
    fail('ERR_BEAR_SHAPE', 'targets', expected, `${targets.length}`);
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

function nodesToward(trie: TrieWalk, item: number): Set<number> {
  const leaf = trie.leafOf(item);
  if (leaf < 0) refuse('ERR_BEAR_ITEM_UNKNOWN', 'targets', 'items of the trie', item);
  const nodes = new Set([TrieWalk.root]);
  for (let node = leaf; node !== TrieWalk.root; node = trie.parent(node)) nodes.add(node);
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
 * @throws TypeError or RangeError with a `code`; `ERR_BEAR_SHAPE` where the lists differ in length
 * @param eligible the rows to count, one flag a row; default all. Those whose target is among the exact best make the
 *   shares those of `pruningRate`, step by step.
 *
 * @example
 * for (const { pruned, present } of prunedByStep(trace)) console.log(pruned / present);
 */
export function prunedByStep(
  trace: Pick<TargetTrace, 'droppedAt' | 'steps'>,
  eligible?: ArrayLike<boolean | number>,
): StepPruning[] {
  const { droppedAt, steps } = readTrace(trace);
  const isEligible = eligible === undefined ? undefined : readFlags(eligible, droppedAt.length);
  const rows = Array.from(droppedAt.keys()).filter((row) => isEligible === undefined || isEligible[row]);
  const last = rows.reduce((most, row) => Math.max(most, steps[row] as number), 0);
  return Array.from({ length: last }, (_, step) => {
    const isThere = (row: number) => droppedAt[row] === -1 || (droppedAt[row] as number) >= step;
    const present = rows.filter((row) => (steps[row] as number) > step && isThere(row)).length;
    const pruned = rows.filter((row) => droppedAt[row] === step).length;
    return { step, present, pruned, share: present === 0 ? 0 : pruned / present };
  });
}

function readTrace(trace: unknown): { droppedAt: Float64Array; steps: Float64Array } {
  // A whole trace has rankings too.
  const names = new Set(['droppedAt', 'steps', 'rankings'] as const);
  const given = readMembers(trace, 'trace', '{ droppedAt, steps }', names);
  const droppedAt = readIntegers(given.droppedAt, 'trace.droppedAt', -1);
  const steps = readIntegers(given.steps, 'trace.steps', 0);
  assertRows(steps.length, droppedAt.length, 'trace.steps');
  return { droppedAt, steps };
}

/** 32-bit integers, as searches count steps. */
function readIntegers(list: unknown, argument: string, least: number): Float64Array {
  const numbers = readNumbers(list, argument);
  const bad = numbers.findIndex((value) => (value | 0) !== value || value < least);
  if (bad < 0) return numbers;
  throw elementError('ERR_BEAR_OPTION_VALUE', argument, `32-bit integers of at least ${least}`, numbers[bad], bad);
}

function readFlags(list: unknown, rows: number): boolean[] {
  const flags: boolean[] = [];
  forEachElement(list, 'eligible', 'flags', (flag, row) => {
    if (typeof flag !== 'boolean' && typeof flag !== 'number') {
      throw elementError('ERR_BEAR_ARGUMENT_TYPE', 'eligible', 'true, false or numbers', flag, row);
    }
    flags.push(Boolean(flag));
  });
  assertRows(flags.length, rows, 'eligible');
  return flags;
}

function assertRows(received: number, rows: number, argument: string): void {
  if (received === rows) return;
  fail('ERR_BEAR_SHAPE', argument, `${rows} rows`, `${received}`);
}
