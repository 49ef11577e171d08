import { assertAttached } from '../loss/arrays.js';
import { readLayout, topTokens } from '../loss/top-tokens.js';
import { isFunction } from '../options/abort-signal.js';
import { describe, fail, refuse } from '../options/errors.js';
import { isUnreadable, readingError, readNumbers } from '../options/reading.js';
import { isArrayOf, viewOf } from '../options/typed-arrays.js';
import type { Search } from './search-options.js';
import type { Ranking, StepRequest, StepResult, StepTop } from './step.js';
import type { TokenLists } from './token-trie.js';
import { TrieWalk } from './trie-walk.js';

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

/** @returns whether less probable children of the row are wanted, too */
type ChildVisitor = (prefix: Prefix, row: number, child: number, logProbability: number) => boolean;

/** The empty prefix of each user, or what it is forced to. */
export function firstPrefixes<State>(search: Search<State>, firstUser: number, endUser: number): Prefix[] {
  return Array.from({ length: endUser - firstUser }, (_, index) =>
    arrive(search, { user: firstUser + index, node: TrieWalk.root, logProbability: 0, parent: -1, consumed: [] }),
  );
}

/** The prefix of `row` prolonged by the token that leads to `child`. */
export function prolong<State>(
  search: Search<State>,
  user: number,
  row: number,
  child: number,
  logProbability: number,
): Prefix {
  return arrive(search, { user, node: child, logProbability, parent: row, consumed: [search.trie.lastToken(child)] });
}

function arrive<State>({ trie, forcedTokens }: Search<State>, prefix: Prefix): Prefix {
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

/**
 * One step of a search: asks the model about the prefixes and visits the `width` best children of each, as
 * `forEachBestChild`.
 *
 * @returns the model's state, for the next step: within an object, as a promise would take a state that has `then` apart
 */
export async function prolongPrefixes<State>(
  search: Search<State>,
  prefixes: readonly Prefix[],
  state: State | undefined,
  width: number,
  visit: ChildVisitor,
): Promise<{ state: State }> {
  const { trie, temperature, softcap } = search;
  const allowed = trie.allowed(prefixes.map(({ node }) => node));
  const widest = prefixes.reduce((most, { node }) => Math.max(most, trie.childCount(node)), 1);
  const ranking = { beamWidth: Math.min(width, widest), temperature, softcap };
  const result = await askModel(search, makeRequest(prefixes, allowed, { ...ranking }, state));
  if (result.top) visitTop(trie, prefixes, result.top, ranking, visit);
  else forEachBestChild(trie, prefixes, allowed, result, ranking, visit);
  return { state: result.state };
}

/** What the model is asked. The search keeps `allowed`, and the model gets a copy that it may do anything to. */
function makeRequest<State>(
  prefixes: readonly Prefix[],
  allowed: TokenLists,
  ranking: Ranking,
  state: State | undefined,
): StepRequest<State> {
  const offsets = new Int32Array(prefixes.length + 1);
  prefixes.forEach(({ consumed }, row) => {
    offsets[row + 1] = (offsets[row] as number) + consumed.length;
  });
  return {
    users: Int32Array.from(prefixes, ({ user }) => user),
    parents: Int32Array.from(prefixes, ({ parent }) => parent),
    state,
    consumed: { offsets, tokens: Int32Array.from(prefixes.flatMap(({ consumed }) => consumed)) },
    nodes: Int32Array.from(prefixes, ({ node }) => node),
    allowed: { offsets: allowed.offsets.slice(), tokens: allowed.tokens.slice() },
    ranking,
  };
}

const RESULT = 'result of the step';
const LOGITS = 'logits of the step';
const TOP = 'top of the step';

/** What the model answered, as arrays of the types that it says. */
type Answer<State> =
  | { top?: undefined; logits: Float32Array; layout: 'dense' | 'allowed'; state: State }
  | { top: Top; state: State };

type Top = StepTop<unknown>['top'];

async function askModel<State>({ step }: Search<State>, request: StepRequest<State>): Promise<Answer<State>> {
  if (!isFunction(step)) refuse('ERR_BEAR_ARGUMENT_TYPE', 'step', 'a function', step); // a revoked Proxy
  const given = step(request);
  // Awaited, it would end in an error of the language.
  if (isUnreadable(given)) refuse('ERR_BEAR_ARGUMENT_TYPE', RESULT, '{ logits, state }', given);
  let result: unknown;
  try {
    result = await given; // reads it, which a Proxy may answer by revoking itself
  } catch (error) {
    throw readingError(error, given, RESULT);
  }
  if (typeof result !== 'object' || result === null) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', RESULT, '{ logits, state }', result);
  }
  try {
    const { logits, layout = 'dense', top, state } = result as StepResult<State>;
    if (top !== undefined) return { top: readTop(top), state };
    return { logits: readLogits(logits), layout: readLayout(layout, 'layout of the step'), state };
  } catch (error) {
    throw readingError(error, result, RESULT);
  }
}

/** As float32, over memory of the model's or a copy. */
function readLogits(logits: unknown): Float32Array {
  if (!isArrayOf(logits, 'Float32Array')) return Float32Array.from(readNumbers(logits, LOGITS));
  assertAttached(logits, LOGITS);
  return viewOf(Float32Array, logits);
}

function readTop(top: unknown): Top {
  const what = '{ tokens: Int32Array, logProbabilities: Float32Array }';
  if (typeof top !== 'object' || top === null) refuse('ERR_BEAR_ARGUMENT_TYPE', TOP, what, top);
  const { tokens, logProbabilities } = top as Top;
  if (!isArrayOf(tokens, 'Int32Array') || !isArrayOf(logProbabilities, 'Float32Array')) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', TOP, what, top);
  }
  for (const array of [tokens, logProbabilities]) assertAttached(array, TOP);
  return { tokens: viewOf(Int32Array, tokens), logProbabilities: viewOf(Float32Array, logProbabilities) };
}

/** Entries of one call of `topTokens`, which bounds its results where every child is wanted. */
const MOST_ENTRIES = 1 << 20;

/**
 * Visits the most probable children of every prefix, best first, with the log-probability of the prefix so prolonged:
 * log-softmax over the children only, which is the probability that the loss with `allowed` trains. A logit of minus infinity
 * takes a token out, as in the loss.
 */
function forEachBestChild<State>(
  trie: TrieWalk,
  prefixes: readonly Prefix[],
  allowed: TokenLists,
  { logits, layout }: Extract<Answer<State>, { layout: string }>,
  { beamWidth, temperature, softcap }: Ranking,
  visit: ChildVisitor,
): void {
  const vocabSize = checkLogits(prefixes.length, allowed, logits, layout);
  const rowsPerCall = Math.max(1, Math.floor(MOST_ENTRIES / beamWidth));
  for (let begin = 0; begin < prefixes.length; begin += rowsPerCall) {
    const end = Math.min(begin + rowsPerCall, prefixes.length);
    const part = rowsOf(allowed, begin, end);
    const [first, last] = [allowed.offsets[begin] as number, allowed.offsets[end] as number];
    const rows = logits.subarray(...(layout === 'dense' ? [begin * vocabSize, end * vocabSize] : [first, last]));
    const shape = layout === 'dense' ? { vocabSize } : { layout };
    const top = topTokens(rows, beamWidth, { ...shape, temperature, softcap, allowed: part });
    for (let row = begin; row < end; row++) {
      const prefix = prefixes[row] as Prefix;
      const first = (row - begin) * beamWidth;
      if (visitRow(trie, prefix, row, top, first, beamWidth, visit, refuseChangedTrie)) continue;
      refuseNotFinite(rows, row - begin, part, vocabSize, prefix);
    }
  }
}

/** The same where the model has ranked the children itself. */
function visitTop(
  trie: TrieWalk,
  prefixes: readonly Prefix[],
  top: Top,
  { beamWidth }: Ranking,
  visit: ChildVisitor,
): void {
  for (const { length } of [top.tokens, top.logProbabilities]) {
    const expected = prefixes.length * beamWidth;
    if (length === expected) continue;
    fail('ERR_BEAR_SHAPE', TOP, `${prefixes.length} rows of ${beamWidth}, ${expected} numbers`, `${length} numbers`);
  }
  prefixes.forEach((prefix, row) => {
    if (visitRow(trie, prefix, row, top, row * beamWidth, beamWidth, visit, refuseNotAllowed)) return;
    const { user, node } = prefix;
    fail('ERR_BEAR_NOT_FINITE', TOP, 'log-probabilities', `NaN for user ${user} at trie node ${node}`);
  });
}

/** @returns false where a log-probability is NaN */
function visitRow(
  trie: TrieWalk,
  prefix: Prefix,
  row: number,
  { tokens, logProbabilities }: Top,
  first: number,
  beamWidth: number,
  visit: ChildVisitor,
  refuseToken: (prefix: Prefix, token: unknown) => never,
): boolean {
  for (let place = first; place < first + beamWidth; place++) {
    const logProbability = logProbabilities[place] as number;
    if (Number.isNaN(logProbability)) return false;
    if (logProbability === -Infinity) return true;
    const child = trie.child(prefix.node, tokens[place] as number);
    if (child < 0) refuseToken(prefix, tokens[place]);
    if (!visit(prefix, row, child, prefix.logProbability + logProbability)) return true;
  }
  return true;
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
function checkLogits(rows: number, allowed: TokenLists, logits: Float32Array, layout: 'dense' | 'allowed'): number {
  const { length } = logits;
  const received = `${length} numbers`;
  if (layout === 'allowed') {
    if (length === allowed.tokens.length) return 0;
    const expected = `one for each of the ${allowed.tokens.length} allowed tokens`;
    fail('ERR_BEAR_SHAPE', LOGITS, expected, received);
  }
  const vocabSize = length / rows;
  const largest = allowed.tokens.reduce((most, token) => Math.max(most, token), 0);
  if (Number.isInteger(vocabSize) && vocabSize > largest) return vocabSize;
  const expected = `${rows} rows of more than ${largest} tokens (the largest allowed)`;
  fail('ERR_BEAR_SHAPE', LOGITS, expected, received);
}

/** The error for a row: its first logit that is NaN or plus infinity, or else that the scaled logits overflow. */
function refuseNotFinite(
  logits: Float32Array,
  row: number,
  { offsets, tokens }: TokenLists,
  vocabSize: number,
  { user, node }: Prefix,
): never {
  const place = `of user ${user} at trie node ${node}`;
  const refuseLogits = (received: string) =>
    fail('ERR_BEAR_NOT_FINITE', LOGITS, 'numbers below plus infinity', received);
  for (let entry = offsets[row] as number; entry < (offsets[row + 1] as number); entry++) {
    const token = tokens[entry] as number;
    const logit = logits[vocabSize === 0 ? entry : row * vocabSize + token] as number;
    if (!(logit < Infinity)) refuseLogits(`${logit} for token ${token} ${place}`);
  }
  return refuseLogits(`logits ${place} that overflow when they are divided by the temperature`);
}

/** Views of a trie's arrays are handed out, and a caller wrote to one. */
function refuseChangedTrie({ user, node }: Prefix, token: unknown): never {
  const received = `node ${node} without the child of token ${describe(token)}, for user ${user}`;
  fail('ERR_BEAR_TRIE_NODE', 'trie', 'a trie whose arrays have not been written to', received);
}

function refuseNotAllowed({ user, node }: Prefix, token: unknown): never {
  fail('ERR_BEAR_OPTION_VALUE', TOP, 'allowed tokens', `${describe(token)} for user ${user} at trie node ${node}`);
}
