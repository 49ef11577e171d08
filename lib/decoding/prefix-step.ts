import { assertAttached } from '../loss/arrays.js';
import { readLayout, topTokens } from '../loss/top-tokens.js';
import { isFunction } from '../options/abort-signal.js';
import { describe, fail, refuse } from '../options/errors.js';
import { isUnreadable, readingError, readNumbers } from '../options/reading.js';
import { isArrayOf, viewOf } from '../options/typed-arrays.js';
import type { Search } from './search-options.js';
import type { StepRequest, StepResult } from './step.js';
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

type ChildVisitor = (prefix: Prefix, row: number, child: number, logProbability: number) => void;

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
  const allowed = search.trie.allowed(prefixes.map(({ node }) => node));
  const result = await askModel(search, makeRequest(prefixes, allowed, state));
  forEachBestChild(search, prefixes, allowed, result, width, visit);
  return { state: result.state };
}

/** What the model is asked. The search keeps `allowed`, and the model gets a copy that it may do anything to. */
function makeRequest<State>(
  prefixes: readonly Prefix[],
  allowed: TokenLists,
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
  };
}

const RESULT = 'result of the step';
const LOGITS = 'logits of the step';

async function askModel<State>({ step }: Search<State>, request: StepRequest<State>): Promise<StepResult<State>> {
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
    const { logits, layout = 'dense', state } = result as StepResult<State>;
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

/** Entries of one call of `topTokens`, which bounds its results where every child is wanted. */
const MOST_ENTRIES = 1 << 20;

/**
 * Visits the `width` most probable children of every prefix, best first, with the log-probability of the prefix so
 * prolonged: log-softmax over the children only, which is the probability that the loss with `allowed` trains. A logit of
 * minus infinity takes a token out, as in the loss.
 */
function forEachBestChild<State>(
  { trie, temperature, softcap }: Search<State>,
  prefixes: readonly Prefix[],
  allowed: TokenLists,
  { logits, layout }: StepResult<State>,
  width: number,
  visit: ChildVisitor,
): void {
  const vocabSize = checkLogits(prefixes.length, allowed, logits as Float32Array, layout);
  const widest = prefixes.reduce((most, { node }) => Math.max(most, trie.childCount(node)), 1);
  const beamWidth = Math.min(width, widest);
  const rowsPerCall = Math.max(1, Math.floor(MOST_ENTRIES / beamWidth));
  for (let begin = 0; begin < prefixes.length; begin += rowsPerCall) {
    const end = Math.min(begin + rowsPerCall, prefixes.length);
    const part = rowsOf(allowed, begin, end);
    const [first, last] = [allowed.offsets[begin] as number, allowed.offsets[end] as number];
    const rows = (logits as Float32Array).subarray(
      ...(layout === 'dense' ? [begin * vocabSize, end * vocabSize] : [first, last]),
    );
    const shape = layout === 'dense' ? { vocabSize } : { layout };
    const { tokens, logProbabilities } = topTokens(rows, beamWidth, { ...shape, temperature, softcap, allowed: part });
    for (let row = begin; row < end; row++) {
      const prefix = prefixes[row] as Prefix;
      for (let place = (row - begin) * beamWidth; place < (row - begin + 1) * beamWidth; place++) {
        const logProbability = logProbabilities[place] as number;
        if (Number.isNaN(logProbability)) refuseNotFinite(rows, row - begin, part, vocabSize, prefix);
        if (logProbability === -Infinity) break;
        const child = trie.child(prefix.node, tokens[place] as number);
        if (child < 0) refuseChangedTrie(prefix, tokens[place]);
        visit(prefix, row, child, prefix.logProbability + logProbability);
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
  logits: Float32Array,
  layout: 'dense' | 'allowed' | undefined,
): number {
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
