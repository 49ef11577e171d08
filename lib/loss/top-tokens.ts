import { native } from '../native/backend.js';
import { type CheckedAllowed, type CheckedOptions, checkOptions } from '../options/check-options.js';
import { fail, refuse } from '../options/errors.js';
import { type BearLossOptions, DTYPES, type LogitsArray } from '../options/options.js';
import { readMembers } from '../options/reading.js';
import { oneOf } from '../options/rules.js';
import { lengthOf } from '../options/typed-arrays.js';
import { checkExtents, copyAllowed } from './allowed.js';
import { assertAttached } from './arrays.js';
import { type CheckedLogits, type Logits, nativeView, readDType, readLogits } from './logits.js';
import { resolveThreads } from './threads.js';
import {
  assertResultApart,
  prepareResult,
  readOutputs,
  type TopTokensOutput,
  type TopTokensResult,
  topTokensError,
} from './top-tokens-result.js';

/** Every option is optional, and means what it means in {@link BearLossOptions}; `undefined` means its default. */
export interface TopTokensOptions
  extends Pick<
    BearLossOptions,
    'vocabSize' | 'rowStride' | 'dtype' | 'temperature' | 'softcap' | 'allowed' | 'threads'
  > {
  /**
   * `dense`: rows of V logits. `allowed`: a flat array of the logits of `allowed.tokens` only, entry by entry, from a model
   * that computes no others; then `vocabSize` only limits the ids, and `rowStride` is not taken.
   *
   * @default 'dense'
   */
  layout?: 'dense' | 'allowed';
  /** Arrays for the results. They may not share memory with an input or one another. Default: new arrays. */
  out?: TopTokensOutput;
}

const OPTION_NAMES = new Set<keyof TopTokensOptions>([
  'vocabSize',
  'rowStride',
  'dtype',
  'temperature',
  'softcap',
  'allowed',
  'threads',
  'layout',
  'out',
]);

export const readLayout = oneOf(['dense', 'allowed']);

/**
 * Log-softmax over the allowed tokens and its B largest values, row by row in one pass: a step of beam search.
 *
 * Runs on the CPU, on the calling thread and the kernel's own threads, and blocks until it is done. The results do not
 * depend on the number of threads. Logits decide the order: a softcap that makes two of them equal does not.
 *
 * A row with NaN or plus infinity among its allowed logits has id -1 and NaN throughout.
 *
 * @param logits N * V numbers as {@link fusedBearLoss} takes them; a flat array needs `vocabSize`. Not written.
 * @param beamWidth B, a positive integer; more than there are tokens is legal.
 * @throws TypeError or RangeError as {@link fusedBearLoss}. Then nothing has been written.
 *
 * @example
 * const { tokens, logProbabilities } = topTokens(logits, 10, { vocabSize: 32000 });
 */
export function topTokens<A extends LogitsArray = LogitsArray>(
  logits: Logits<A>,
  beamWidth: number,
  options: TopTokensOptions = {},
): TopTokensResult {
  const call = prepare(logits, beamWidth, options);
  const { rows, vocabSize, allowed, result } = call;
  const numbers = Float64Array.of(
    rows,
    vocabSize,
    call.rowStride,
    DTYPES.indexOf(call.dtype),
    beamWidth,
    call.temperature,
    call.softcap,
    call.isListed ? 1 : 0,
    call.threads,
  );
  const { tokens, logProbabilities, logSumExp } = result;
  const outcome = native().topTokens(
    numbers,
    call.view,
    allowed.offsets,
    allowed.tokens,
    allowed.bitmask,
    tokens,
    logProbabilities,
    logSumExp,
  );
  if (outcome !== undefined) throw topTokensError(outcome, vocabSize, allowed.tokens);
  return result;
}

interface PreparedTopTokens extends CheckedLogits {
  allowed: CheckedAllowed;
  isListed: boolean;
  temperature: number;
  softcap: number;
  threads: number;
  result: TopTokensResult;
}

function prepare(logits: Logits, beamWidth: number, options: TopTokensOptions): PreparedTopTokens {
  const {
    layout = 'dense',
    out,
    ...shared
  } = readMembers(options, 'options', 'an object of options', OPTION_NAMES, '');
  // To the loss undefined means its default; here there is none.
  if (beamWidth === undefined) refuse('ERR_BEAR_ARGUMENT_TYPE', 'beamWidth', 'a positive integer', beamWidth);
  const checked = checkOptions({ ...shared, beamWidth } as BearLossOptions);
  const isListed = readLayout(layout, 'layout') === 'allowed';
  const outputs = readOutputs(out);
  // The logits may be read by getters, so that nothing is looked at before that.
  const dense = isListed ? undefined : readLogits(logits, undefined, checked);
  const allowed = copyAllowed(checked.allowed);
  const read = dense ?? readListedLogits(logits, allowed, checked);
  checkExtents(allowed, read.rows, read.vocabSize);
  const result = prepareResult(outputs, read.rows, beamWidth);
  assertResultApart(outputs, result, read.rows, checked);
  return {
    ...read,
    isListed,
    allowed,
    temperature: checked.temperature,
    softcap: checked.softcap ?? 0,
    threads: resolveThreads(checked.threads),
    result,
  };
}

const MOST_TOKENS = 2 ** 31;

/** Logits of the allowed tokens only: N rows of as many logits as the lists have entries. */
function readListedLogits(logits: Logits, { offsets, tokens }: CheckedAllowed, options: CheckedOptions): CheckedLogits {
  const { allowed, rowStride, vocabSize = MOST_TOKENS } = options;
  if (offsets === undefined || tokens === undefined) {
    const received = allowed === undefined ? 'no constraint' : 'a bitmask';
    fail('ERR_BEAR_OPTION_CONFLICT', 'layout', "allowed: { offsets, tokens } with 'allowed'", received);
  }
  if (rowStride !== undefined) refuse('ERR_BEAR_OPTION_CONFLICT', 'rowStride', "layout 'dense'", rowStride);
  if (!ArrayBuffer.isView(logits)) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'logits', "a flat array with layout 'allowed'", logits);
  }
  const data = logits as LogitsArray;
  const dtype = readDType(data, options.dtype, 'logits', 'dtype');
  assertAttached(data, 'logits');
  if (lengthOf(data) !== tokens.length) {
    refuse('ERR_BEAR_SHAPE', 'logits', `one for each of the ${tokens.length} allowed tokens`, data);
  }
  const rows = Math.max(0, offsets.length - 1);
  return { data, view: nativeView(data), dtype, rows, vocabSize, rowStride: vocabSize };
}
