// The options that every search has, read once and checked.
import { isFunction } from '../options/abort-signal.js';
import { checkOption } from '../options/check-options.js';
import { refuse } from '../options/errors.js';
import { readMembers } from '../options/reading.js';
import { oneOf, positiveInteger } from '../options/rules.js';
import { finite, readNumber } from './rules.js';
import type { StepFunction } from './step.js';
import { readTrie, type TokenTrie } from './token-trie.js';
import type { TrieWalk } from './trie-walk.js';

export interface DecodingOptions<State> {
  step: StepFunction<State>;
  trie: TokenTrie;
  /** How many users to decode for; `StepRequest.users` holds 0 to `users - 1`. */
  users: number;
  /**
   * Divides the logits, as in the loss: from 1e-36 to 1e36.
   *
   * @default 1
   */
  temperature?: number;
  /** `softcap * tanh(logit / softcap)` before the temperature, as in the loss: from 1e-36 to 1e36. Default: none. */
  softcap?: number;
  /**
   * If a prefix has one child, that child has probability 1. 'skip' passes such tokens along without a step of their own:
   * hypotheses are compared after equal numbers of CHOICES. 'step' asks the model at every token: hypotheses are compared
   * after equal numbers of TOKENS, as `generate` of the usual libraries does. Scores of items are equal, what a narrow
   * beam prunes may differ. Train and decode the same way.
   *
   * @default 'skip'
   */
  forcedTokens?: 'skip' | 'step';
  /**
   * Exponent of the length that a log-probability is divided by. 0: none. The length is counted as hypotheses are
   * compared: in choices with `forcedTokens: 'skip'`, in tokens with 'step'. Above 0 favours longer items.
   *
   * @default 0
   */
  lengthPenalty?: number;
  /** Users decoded together, which bounds the rows of a step. Default: 128; 64 in `exactTopItems`. */
  usersPerStep?: number;
}

/** Checked, with defaults filled in. */
export interface Search<State> extends Required<Omit<DecodingOptions<State>, 'trie' | 'softcap'>> {
  trie: TrieWalk;
  softcap: number | undefined;
}

const NAMES = [
  'step',
  'trie',
  'users',
  'temperature',
  'softcap',
  'forcedTokens',
  'lengthPenalty',
  'usersPerStep',
] as const satisfies (keyof DecodingOptions<unknown>)[];

/**
 * The options of a search and what else it takes, as it was given; throws where one is wrong.
 *
 * @param own names of the options that the function has beside those of every search
 */
export function readSearchOptions<State, Own extends string>(
  options: DecodingOptions<State>,
  own: readonly Own[],
  usersPerStep: number,
): { search: Search<State>; given: Record<Own, unknown> } {
  const names = new Set([...NAMES, ...own]);
  const given = readMembers(options, 'options', 'an object', names, '');
  const { step, trie, users } = given;
  if (!isFunction(step)) refuse('ERR_BEAR_ARGUMENT_TYPE', 'step', 'a function', step);
  const search: Search<State> = {
    step: step as StepFunction<State>,
    trie: readTrie(trie),
    users: users === 0 ? 0 : positiveInteger(users, 'users'),
    temperature: checkOption('temperature', given.temperature) as number,
    softcap: checkOption('softcap', given.softcap) as number | undefined,
    forcedTokens: given.forcedTokens === undefined ? 'skip' : readForcedTokens(given.forcedTokens, 'forcedTokens'),
    lengthPenalty: readNumber(given.lengthPenalty, 'lengthPenalty', finite, 0),
    usersPerStep: readNumber(given.usersPerStep, 'usersPerStep', positiveInteger, usersPerStep),
  };
  return { search, given };
}

const readForcedTokens = oneOf(['skip', 'step']);
