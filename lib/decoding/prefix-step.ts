import { isArrayOf } from '../loss/arrays.js';
import { checkOption } from '../loss/check-options.js';
import { describe } from '../loss/errors.js';
import { nearestName } from '../loss/suggest.js';
import { topTokens } from '../loss/top-tokens.js';
import { decodingError, requirePositiveInteger } from './decoding-error.js';
import { type TokenLists, TokenTrie } from './token-trie.js';

/** What the model is asked at one step: N rows, each a prefix of some user. */
export interface StepRequest<State> {
  /** `[N]`: the user of each row. Rows of one user are next to each other. */
  users: Int32Array;
  /** `[N]`: the row of the previous call that each row continues; -1 at the first step. */
  parents: Int32Array;
  /** What the previous call returned; undefined at the first step. */
  state: State | undefined;
  /**
   * N lists: the tokens of each row since its parent row (at the first step: since the start of the sequence). One token,
   * and with `forcedTokens: 'skip'` the forced ones after it.
   */
  consumed: TokenLists;
  /** `[N]`: the trie node at which each row stands. */
  nodes: Int32Array;
  /** N lists: the tokens that may follow, ascending; the same constraint that the loss takes. */
  allowed: TokenLists;
}

export interface StepResult<State> {
  /**
   * Logits of the next token: `[N, V]` row by row, or with layout 'allowed' one for each entry of `request.allowed.tokens`.
   * Doubles are rounded to float32.
   */
  logits: Float32Array | Float64Array;
  /** Default 'dense'. */
  layout?: 'dense' | 'allowed';
  /** Whatever the model needs to continue these rows; handed back at the next step. */
  state: State;
}

export type StepFunction<State> = (request: StepRequest<State>) => StepResult<State> | Promise<StepResult<State>>;

export interface DecodingOptions<State> {
  step: StepFunction<State>;
  trie: TokenTrie;
  /** How many users to decode for; `StepRequest.users` holds 0 to `users - 1`. */
  users: number;
  /** Divides the logits, as in the loss: from 1e-36 to 1e36, default 1. */
  temperature?: number;
  /** `softcap * tanh(logit / softcap)` before the temperature, as in the loss: from 1e-36 to 1e36. Default none. */
  softcap?: number;
  /**
   * Where a prefix has one child, that child has probability 1. 'skip' (default) passes such tokens along without a step of
   * their own: hypotheses are compared after equal numbers of CHOICES. 'step' asks the model at every token: hypotheses are
   * compared after equal numbers of TOKENS, as `generate` of the usual libraries does. Scores of items are equal, what a
   * narrow beam prunes may differ. Train and decode the same way.
   */
  forcedTokens?: 'skip' | 'step';
  /**
   * Exponent of the length that a log-probability is divided by, default 0: none. The length is counted as hypotheses are
   * compared: in choices with `forcedTokens: 'skip'`, in tokens with 'step'. Above 0 favours longer items.
   */
  lengthPenalty?: number;
  /** Users decoded together, which bounds the rows of a step. */
  usersPerStep?: number;
}

/** A prefix that is neither complete nor pruned. */
export interface Prefix {
  user: number;
  node: number;
  logProbability: number;
  /** Row of the previous step. */
  parent: number;
  /** Tokens since the parent. */
  consumed: number[];
}

const OPTION_NAMES: Readonly<Record<keyof DecodingOptions<unknown>, true>> = {
  step: true,
  trie: true,
  users: true,
  temperature: true,
  softcap: true,
  forcedTokens: true,
  lengthPenalty: true,
  usersPerStep: true,
};

/** @param own names of the options that the function has beside these */
export function checkDecodingOptions<State>(options: DecodingOptions<State>, own: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw decodingError('type', 'ERR_BEAR_ARGUMENT_TYPE', 'options', `expected an object, got ${describe(options)}`);
  }
  checkOptionNames(options, [...Object.keys(OPTION_NAMES), ...own]);
  const { step, trie, users, temperature = 1, softcap, forcedTokens = 'skip' } = options;
  if (typeof step !== 'function') {
    throw decodingError('type', 'ERR_BEAR_ARGUMENT_TYPE', 'step', `expected a function, got ${typeof step}`);
  }
  // Not instanceof: a test runner that resets its modules has two classes of that name.
  if (typeof trie?.childTokens !== 'function') {
    throw decodingError('type', 'ERR_BEAR_ARGUMENT_TYPE', 'trie', 'expected a TokenTrie');
  }
  if (users !== 0) requirePositiveInteger(users, 'users');
  if (options.usersPerStep !== undefined) requirePositiveInteger(options.usersPerStep, 'usersPerStep');
  checkOption('temperature', temperature);
  if (!Number.isFinite(options.lengthPenalty ?? 0)) {
    const message = `expected a finite number, got ${options.lengthPenalty}`;
    throw decodingError('range', 'ERR_BEAR_OPTION_VALUE', 'lengthPenalty', message);
  }
  if (softcap !== undefined) checkOption('softcap', softcap);
  if (forcedTokens !== 'skip' && forcedTokens !== 'step') {
    const message = `expected 'skip' or 'step', got ${JSON.stringify(forcedTokens)}`;
    throw decodingError('range', 'ERR_BEAR_OPTION_VALUE', 'forcedTokens', message);
  }
}

/** A misspelt option would be a default, and nobody would know. */
function checkOptionNames(options: object, names: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestName(unknown, names);
  const meant = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  const message = `expected one of ${names.join(', ')}${meant}`;
  throw decodingError('type', 'ERR_BEAR_OPTION_UNKNOWN', unknown, message);
}

/** The empty prefix of each user, or what it is forced to. */
export function firstPrefixes<State>(options: DecodingOptions<State>, firstUser: number, endUser: number): Prefix[] {
  return Array.from({ length: endUser - firstUser }, (_, index) =>
    arrive(options, { user: firstUser + index, node: TokenTrie.root, logProbability: 0, parent: -1, consumed: [] }),
  );
}

/** The prefix of `row` prolonged by the token that leads to `child`. */
export function prolong<State>(
  options: DecodingOptions<State>,
  user: number,
  row: number,
  child: number,
  logProbability: number,
): Prefix {
  return arrive(options, { user, node: child, logProbability, parent: row, consumed: [options.trie.lastToken(child)] });
}

function arrive<State>({ trie, forcedTokens = 'skip' }: DecodingOptions<State>, prefix: Prefix): Prefix {
  if (forcedTokens === 'step') return prefix;
  const choice = trie.nextChoice(prefix.node);
  // The model never reads the tokens of a complete prefix, and exhaustive search completes every item for every user.
  if (!trie.isLeaf(choice)) {
    for (let node = prefix.node; node !== choice; ) {
      node = trie.firstChild(node);
      prefix.consumed.push(trie.lastToken(node));
    }
  }
  prefix.node = choice;
  return prefix;
}

/** What hypotheses are ranked by. */
export function normalizedScore(logProbability: number, length: number, lengthPenalty: number): number {
  return lengthPenalty === 0 ? logProbability : logProbability / Math.max(1, length) ** lengthPenalty;
}

export function makeRequest<State>(
  trie: TokenTrie,
  prefixes: readonly Prefix[],
  state: State | undefined,
): StepRequest<State> {
  const offsets = new Int32Array(prefixes.length + 1);
  prefixes.forEach(({ consumed }, row) => {
    offsets[row + 1] = (offsets[row] as number) + consumed.length;
  });
  const nodes = Int32Array.from(prefixes, ({ node }) => node);
  return {
    users: Int32Array.from(prefixes, ({ user }) => user),
    parents: Int32Array.from(prefixes, ({ parent }) => parent),
    state,
    consumed: { offsets, tokens: Int32Array.from(prefixes.flatMap(({ consumed }) => consumed)) },
    nodes,
    allowed: trie.allowed(nodes),
  };
}

/** Calls the model. */
export async function askModel<State>(
  { step }: DecodingOptions<State>,
  request: StepRequest<State>,
): Promise<StepResult<State>> {
  const result = await step(request);
  if (typeof result === 'object' && result !== null) return result;
  const message = `expected { logits, state }, got ${describe(result)}`;
  throw decodingError('type', 'ERR_BEAR_ARGUMENT_TYPE', 'result of the step', message);
}

/** Entries of one call of `topTokens`, which bounds its results where every child is wanted. */
const MOST_ENTRIES = 1 << 20;

/**
 * Visits the `width` most probable children of every prefix, best first, with the log-probability of the prefix so
 * prolonged: log-softmax over the children only, which is the probability that the loss with `allowed` trains. A logit of
 * minus infinity takes a token out, as in the loss.
 */
export function forEachBestChild<State>(
  options: DecodingOptions<State>,
  prefixes: readonly Prefix[],
  allowed: TokenLists,
  result: StepResult<State>,
  width: number,
  visit: (row: number, child: number, logProbability: number) => void,
): void {
  const { trie } = options;
  const { layout = 'dense' } = result;
  const vocabSize = checkLogits(prefixes.length, allowed, result.logits, layout);
  const logits = isArrayOf(result.logits, 'Float32Array') ? result.logits : Float32Array.from(result.logits);
  const widest = prefixes.reduce((most, { node }) => Math.max(most, trie.childCount(node)), 1);
  const beamWidth = Math.min(width, widest);
  const rowsPerCall = Math.max(1, Math.floor(MOST_ENTRIES / beamWidth));
  for (let begin = 0; begin < prefixes.length; begin += rowsPerCall) {
    const end = Math.min(begin + rowsPerCall, prefixes.length);
    const part = rowsOf(allowed, begin, end);
    const [first, last] = [allowed.offsets[begin] as number, allowed.offsets[end] as number];
    const rows =
      layout === 'dense' ? logits.subarray(begin * vocabSize, end * vocabSize) : logits.subarray(first, last);
    const { temperature, softcap } = options;
    const shape = layout === 'dense' ? { vocabSize } : { layout };
    const { tokens, logProbabilities } = topTokens(rows, beamWidth, { ...shape, temperature, softcap, allowed: part });
    for (let row = begin; row < end; row++) {
      const prefix = prefixes[row] as Prefix;
      for (let place = (row - begin) * beamWidth; place < (row - begin + 1) * beamWidth; place++) {
        const logProbability = logProbabilities[place] as number;
        if (Number.isNaN(logProbability)) throw notFinite(rows, row - begin, part, vocabSize, prefix);
        if (logProbability === -Infinity) break;
        visit(row, trie.child(prefix.node, tokens[place] as number), prefix.logProbability + logProbability);
      }
    }
  }
}

function rowsOf({ offsets, tokens }: TokenLists, begin: number, end: number): TokenLists {
  if (begin === 0 && end === offsets.length - 1) return { offsets, tokens };
  const first = offsets[begin] as number;
  return {
    offsets: offsets.slice(begin, end + 1).map((offset) => offset - first),
    tokens: tokens.subarray(first, offsets[end]),
  };
}

/** @returns V where the layout is dense */
function checkLogits(
  rows: number,
  allowed: TokenLists,
  logits: Float32Array | Float64Array,
  layout: 'dense' | 'allowed',
): number {
  const length = logits?.length;
  if (layout === 'allowed') {
    if (length === allowed.tokens.length) return 0;
    const message = `expected one logit for each of the ${allowed.tokens.length} allowed tokens, got ${length}`;
    throw decodingError('range', 'ERR_BEAR_SHAPE', 'logits of the step', message);
  }
  const vocabSize = length / rows;
  const largest = allowed.tokens.reduce((most, token) => Math.max(most, token), 0);
  if (Number.isInteger(vocabSize) && vocabSize > largest) return vocabSize;
  const message = `expected ${rows} rows of more than ${largest} tokens (the largest allowed), got ${length} numbers`;
  throw decodingError('range', 'ERR_BEAR_SHAPE', 'logits of the step', message);
}

/** Names the first logit of the row that is NaN or plus infinity. */
function notFinite(
  logits: Float32Array,
  row: number,
  { offsets, tokens }: TokenLists,
  vocabSize: number,
  prefix: Prefix,
): Error {
  for (let entry = offsets[row] as number; entry < (offsets[row + 1] as number); entry++) {
    const token = tokens[entry] as number;
    const logit = logits[vocabSize === 0 ? entry : row * vocabSize + token] as number;
    if (logit < Infinity) continue;
    const message = `${logit} for token ${token} of user ${prefix.user} at trie node ${prefix.node}`;
    return decodingError('range', 'ERR_BEAR_NOT_FINITE', 'logits of the step', message);
  }
  throw new Error('fused-bear-loss: topTokens found a row that is not finite where none is');
}
