import { checkExtents, copyAllowed } from '../loss/allowed.js';
import { assertLength } from '../loss/arrays.js';
import { resolveThreads } from '../loss/threads.js';
import type { TopTokensOptions } from '../loss/top-tokens.js';
import {
  assertResultApart,
  prepareResult,
  readOutputs,
  type TopTokensResult,
  topTokensError,
} from '../loss/top-tokens-result.js';
import { native } from '../native/backend.js';
import { type CheckedOptions, checkOptions } from '../options/check-options.js';
import { refuse } from '../options/errors.js';
import { OPTIONS } from '../options/option-table.js';
import { type BearLossOptions, DTYPES } from '../options/options.js';
import { readMembers } from '../options/reading.js';
import * as rules from '../options/rules.js';
import { type FactorArray, type Matrix, readMatrix, shapesOf } from './matrices.js';
import { type BiasedAllowed, biasedAllowed, DEFAULT_WORKSPACE_BYTES, type LinearBearLossOptions } from './options.js';
import { checkWorkspace, longestRow } from './prepare-call.js';

/** Every option is optional, and means what it means in {@link fusedLinearBearLoss} and {@link topTokens}. */
export interface LinearTopTokensOptions
  extends Pick<TopTokensOptions, 'vocabSize' | 'dtype' | 'temperature' | 'softcap' | 'threads' | 'out'>,
    Pick<LinearBearLossOptions, 'hiddenSize' | 'bias' | 'allowed' | 'workspaceBytes'> {}

const OPTION_NAMES = new Set<keyof LinearTopTokensOptions>([
  'vocabSize',
  'dtype',
  'temperature',
  'softcap',
  'threads',
  'out',
  'hiddenSize',
  'bias',
  'allowed',
  'workspaceBytes',
]);

/**
 * {@link topTokens} of the logits `hidden weight^T + bias`, without ever holding all logits: a step of beam search from
 * the model's last hidden states. With `allowed` as lists, no other token has a logit.
 *
 * Results are the same bits for any number of threads and any workspace. Blocks until it is done.
 *
 * @param hidden [N, H] hidden states, as {@link fusedLinearBearLoss} takes them. A flat array needs `hiddenSize`, unless
 *   `weight` has a shape.
 * @param weight [V, H] in the same dtype.
 * @param beamWidth B, a positive integer; more than there are tokens is legal.
 * @throws TypeError or RangeError as {@link fusedLinearBearLoss}. Then nothing has been written.
 *
 * @example
 * const { tokens, logProbabilities } = linearTopTokens(hidden, weight, 10, { hiddenSize: 256, allowed: trie.allowed(nodes) });
 */
export function linearTopTokens<A extends FactorArray = FactorArray>(
  hidden: Matrix<A>,
  weight: Matrix<A>,
  beamWidth: number,
  options: LinearTopTokensOptions = {},
): TopTokensResult {
  const { out, hiddenSize, bias, workspaceBytes, allowedBias, ...checked } = readOptions(options, beamWidth);
  const outputs = readOutputs(out);
  const left = readMatrix(hidden, 'hidden', checked.dtype);
  const right = readMatrix(weight, 'weight', checked.dtype);
  const shapes = shapesOf(left, right, undefined, { hiddenSize, vocabSize: checked.vocabSize });
  const { rows, vocabSize } = shapes;
  if (bias !== undefined) assertLength(bias, vocabSize, 'V', 'bias');
  const allowed = copyAllowed(checked.allowed);
  checkExtents(allowed, rows, vocabSize);
  if (allowedBias !== undefined) {
    assertLength(allowedBias, allowed.tokens?.length ?? 0, 'one per entry', 'allowed.bias');
  }
  checkWorkspace(workspaceBytes, longestRow(allowed.offsets, vocabSize));
  const result = prepareResult(outputs, rows, beamWidth);
  assertResultApart(outputs, result, rows, checked);
  const numbers = Float64Array.of(
    rows,
    vocabSize,
    vocabSize,
    DTYPES.indexOf(left.dtype),
    beamWidth,
    checked.temperature,
    checked.softcap ?? 0,
    0,
    resolveThreads(checked.threads),
  );
  const outcome = native().linearTopTokens(
    numbers,
    [left.view, right.view, bias, allowedBias],
    allowed.offsets,
    allowed.tokens,
    allowed.bitmask,
    result.tokens,
    result.logProbabilities,
    result.logSumExp,
    Float64Array.of(shapes.hiddenSize, workspaceBytes),
  );
  if (outcome !== undefined) throw topTokensError(outcome, vocabSize, allowed.tokens);
  return result;
}

interface ReadOptions extends CheckedOptions {
  hiddenSize: number | undefined;
  bias: Float32Array | undefined;
  workspaceBytes: number;
  allowedBias: Float32Array | undefined;
}

function readOptions(options: object, beamWidth: number): Omit<ReadOptions, 'out'> & { out: unknown } {
  // To the loss undefined means its default; here there is none.
  if (beamWidth === undefined) refuse('ERR_BEAR_ARGUMENT_TYPE', 'beamWidth', 'a positive integer', beamWidth);
  const { out, hiddenSize, bias, allowed, workspaceBytes, ...shared } = readMembers(
    options,
    'options',
    'an object of options',
    OPTION_NAMES,
    '',
  );
  const checked = checkOptions({ ...shared, beamWidth } as BearLossOptions);
  const lists = check(biasedAllowed, allowed, 'allowed') as BiasedAllowed | undefined;
  return {
    ...checked,
    ...(lists && { allowed: lists }),
    hiddenSize: check(OPTIONS.vocabSize.check, hiddenSize, 'hiddenSize') as number | undefined,
    bias: check(rules.float32Array, bias, 'bias') as Float32Array | undefined,
    workspaceBytes:
      (check(rules.positiveInteger, workspaceBytes, 'workspaceBytes') as number) ?? DEFAULT_WORKSPACE_BYTES,
    allowedBias: lists?.bias,
    out,
  };
}

/** The value as the rule returns it, or undefined. */
function check(rule: rules.Rule, value: unknown, argument: string): unknown {
  return value === undefined ? undefined : rule(value, argument);
}
