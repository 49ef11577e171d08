// What calls that find the best tokens of each row return, in new arrays or in the caller's.
import type { NativeOutcome } from '../native/binding.js';
import type { CheckedOptions } from '../options/check-options.js';
import { argumentError, refuse } from '../options/errors.js';
import { readMembers } from '../options/reading.js';
import { isArrayOf, lengthOf } from '../options/typed-arrays.js';
import { assertAllowedApart } from './allowed.js';
import { allocate, assertAttached } from './arrays.js';
import { outcomeError, outputOverlapError } from './outcome-errors.js';

/** Arrays that take the results in place of new ones: at least N * B elements each, `logSumExp` at least N. */
export interface TopTokensOutput {
  tokens?: Int32Array;
  logProbabilities?: Float32Array;
  logSumExp?: Float32Array;
}

export interface TopTokensResult {
  /**
   * `[N, B]`: the ids of the B most probable allowed tokens of each row, best first, at equal logits the lower id. A row
   * with fewer tokens ends with -1. A logit of minus infinity is no token.
   */
  tokens: Int32Array;
  /** `[N, B]`: their natural log-probabilities among the allowed tokens; minus infinity where `tokens` is -1. */
  logProbabilities: Float32Array;
  /** `[N]`: log-sum-exp of the scaled logits of the allowed tokens; minus infinity where a row has none. */
  logSumExp: Float32Array;
  /** B, the distance from row to row of `tokens` and `logProbabilities`. */
  beamWidth: number;
}

const OUT_NAMES = new Set<keyof TopTokensOutput>(['tokens', 'logProbabilities', 'logSumExp']);

/** The caller's arrays, whatever they are. */
export type GivenOutputs = Partial<Record<keyof TopTokensOutput, unknown>>;

export function readOutputs(out: unknown): GivenOutputs {
  return out === undefined ? {} : readMembers(out, 'out', '{ tokens, logProbabilities, logSumExp }', OUT_NAMES);
}

export function prepareResult(given: GivenOutputs, rows: number, beamWidth: number): TopTokensResult {
  return {
    tokens: outputArray(given.tokens, 'Int32Array', 'tokens', rows * beamWidth),
    logProbabilities: outputArray(given.logProbabilities, 'Float32Array', 'logProbabilities', rows * beamWidth),
    logSumExp: outputArray(given.logSumExp, 'Float32Array', 'logSumExp', rows),
    beamWidth,
  };
}

/** Throws where a result would be written over the caller's constraint. */
export function assertResultApart(
  given: GivenOutputs,
  result: TopTokensResult,
  rows: number,
  { allowed }: CheckedOptions,
): void {
  for (const name of OUT_NAMES) {
    if (given[name] === undefined) continue;
    const elements = name === 'logSumExp' ? rows : rows * result.beamWidth;
    assertAllowedApart(result[name], elements, 'out', allowed);
  }
}

interface OutputArrays {
  Int32Array: Int32Array;
  Float32Array: Float32Array;
}

function outputArray<Name extends keyof OutputArrays>(
  given: unknown,
  type: Name,
  name: string,
  length: number,
): OutputArrays[Name] {
  const argument = `out.${name}`;
  if (given === undefined) {
    const constructors = { Int32Array, Float32Array };
    return allocate<OutputArrays[Name]>(constructors[type] as never, length, name);
  }
  if (!isArrayOf(given, type)) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, `a ${type}`, given);
  assertAttached(given, argument);
  if (lengthOf(given) < length) refuse('ERR_BEAR_OUT_TOO_SMALL', argument, `at least ${length} elements`, given);
  return given;
}

/** The error that tells the caller of an outcome. */
export function topTokensError(
  outcome: NativeOutcome,
  vocabSize: number,
  allowedTokens: Int32Array | undefined,
): Error {
  const allowedTokenCount = allowedTokens?.length ?? 0;
  switch (outcome.status) {
    case 'overlap':
      return outputOverlapError(outcome.input);
    case 'out-of-memory':
      return argumentError('ERR_BEAR_OUT_OF_MEMORY', 'beamWidth', 'memory to select the tokens in');
    case 'invalid':
    case 'module-out-of-memory':
      return outcomeError(outcome, { ...REFUSED, call: { vocabSize, device: -1 }, allowedTokenCount });
    default:
      return new Error(`fused-bear-loss: topTokens ended with ${outcome.status}`);
  }
}

const REFUSED = { options: { ignoreIndex: -1 }, gradientArgument: 'out' };
