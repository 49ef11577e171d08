// From what the caller gave to what the addon takes.
import { checkExtents, copyAllowed } from '../loss/allowed.js';
import { allocate, assertAttached, assertLength } from '../loss/arrays.js';
import type { CheckedLogits } from '../loss/logits.js';
import { lossCall } from '../loss/loss-call.js';
import { type Outputs, prepareOutputs } from '../loss/outputs.js';
import { assertIndicesApart, checkRowArrays } from '../loss/prepare-call.js';
import { readTargets, type Targets } from '../loss/targets.js';
import { resolveThreads } from '../loss/threads.js';
import { type Allocate, allocateUncleared } from '../loss/uncleared-array.js';
import type { NativeLinearCall } from '../native/binding.js';
import { fail, refuse } from '../options/errors.js';
import { DTYPES } from '../options/options.js';
import { isArrayOf, lengthOf, typedArrayName } from '../options/typed-arrays.js';
import { type FactorArray, type Matrix, type ReadMatrix, readMatrix, shapesOf } from './matrices.js';
import { type CheckedLinearOptions, gradientName, type LinearNeed, type LinearOutput } from './options.js';

export interface PreparedLinearCall {
  call: NativeLinearCall;
  options: CheckedLinearOptions['loss'];
  outputs: Outputs;
  gradients: LinearOutput;
  /** The names of those that nobody but this call knows. */
  isNew: ReadonlySet<string>;
  allowedTokenCount: number;
}

/** Where nothing reads them. */
const NO_LOGITS = new Float32Array(0);

/** Throws before anything is allocated that is not small, and never after anything was written. */
export function prepareLinearCall(
  hidden: Matrix,
  weight: Matrix,
  targets: Targets,
  options: CheckedLinearOptions,
  newGradient: Allocate = allocate,
): PreparedLinearCall {
  const targetIds = readTargets(targets);
  const left = readMatrix(hidden, 'hidden', options.dtype);
  const right = readMatrix(weight, 'weight', options.dtype);
  const shapes = shapesOf(left, right, targetIds.length, options);
  const { rows, vocabSize, hiddenSize } = shapes;
  const { loss, bias, allowedBias } = options;
  const gradOutputRows = checkRowArrays(loss, rows);
  if (bias !== undefined) assertLength(bias, vocabSize, 'V', 'bias');
  const allowed = copyAllowed(loss.allowed);
  checkExtents(allowed, rows, vocabSize);
  if (allowedBias !== undefined)
    assertLength(allowedBias, allowed.tokens?.length ?? 0, 'one per entry', 'allowed.bias');
  checkWorkspace(options.workspaceBytes, longestRow(allowed.offsets, vocabSize));
  const weightTokens = options.sparseWeightGradient ? distinctTokens(allowed.tokens, vocabSize) : undefined;
  const outputs = prepareOutputs({ rows, vocabSize } as CheckedLogits, 0, loss, newGradient);
  const lengths = {
    hidden: rows * hiddenSize,
    weight: (weightTokens?.length ?? vocabSize) * hiddenSize,
    bias: vocabSize,
    allowedBias: allowed.tokens?.length ?? 0,
  };
  const isListed = allowed.offsets !== undefined;
  const newWeightGradient = allocateWeightGradient(isListed, weightTokens !== undefined, newGradient);
  const gradients = prepareGradients(left, lengths, options, newGradient, newWeightGradient);
  for (const [name, gradient] of Object.entries(gradients) as [string, FactorArray][]) {
    assertIndicesApart(gradient, lengthOf(gradient), `out.${name}`, targets, loss);
  }
  const isNew = new Set(
    Object.keys(gradients).filter((name) => options.out?.[name as keyof LinearOutput] === undefined),
  );
  const call: NativeLinearCall = {
    loss: lossCall<never>(
      loss,
      { device: -1, rows, vocabSize, rowStride: vocabSize, dtype: 'float32', threads: resolveThreads(loss.threads) },
      {
        logits: NO_LOGITS,
        targets: targetIds,
        tokenWeights: loss.tokenWeights,
        penaltyWeights: loss.penaltyWeights,
        gradOutputRows,
        allowed,
      },
      {
        gradientMode: 'none',
        gradLogits: undefined,
        gradRowStride: vocabSize,
        gradIsNew: false,
        rowLosses: outputs.rowLosses,
        rows: outputs.rows,
      },
    ),
    hiddenSize,
    operandDType: DTYPES.indexOf(left.dtype),
    accumulate: options.accumulate,
    workspaceBytes: options.workspaceBytes,
    hidden: left.view,
    weight: right.view,
    bias,
    allowedBias,
    gradHidden: gradients.gradHidden,
    gradWeight: gradients.gradWeight,
    gradBias: gradients.gradBias,
    gradAllowedBias: gradients.gradAllowedBias,
    weightTokens,
    weightIsZero: isListed && weightTokens === undefined && isNew.has('gradWeight'),
  };
  return { call, options: loss, outputs, gradients, isNew, allowedTokenCount: allowed.tokens?.length ?? 0 };
}

const LINE_BYTES = 64;

/** A row of logits takes whole lines of the cache. */
export function checkWorkspace(workspaceBytes: number, logits: number): void {
  const least = Math.ceil((logits * Float32Array.BYTES_PER_ELEMENT) / LINE_BYTES) * LINE_BYTES;
  if (workspaceBytes >= least) return;
  refuse('ERR_BEAR_OPTION_VALUE', 'workspaceBytes', `at least ${least}, for the logits of one row`, workspaceBytes);
}

/** Logits of the row that has most. */
export function longestRow(offsets: Int32Array | undefined, vocabSize: number): number {
  if (offsets === undefined) return vocabSize;
  let longest = 1;
  for (let row = 1; row < offsets.length; row++) {
    longest = Math.max(longest, (offsets[row] as number) - (offsets[row - 1] as number));
  }
  return Math.min(longest, vocabSize); // more is for the addon to refuse
}

/** Ascending. Ids that are no tokens are for the addon to refuse. */
function distinctTokens(tokens: Int32Array = new Int32Array(0), vocabSize: number): Int32Array {
  const isListed = allocate(Uint8Array, vocabSize, 'gradWeight');
  let count = 0;
  for (let entry = 0; entry < tokens.length; entry++) {
    const token = tokens[entry] as number;
    if (isListed[token] !== 0) continue;
    isListed[token] = 1;
    count++;
  }
  const distinct = allocate(Int32Array, count, 'gradWeight');
  for (let token = 0, place = 0; place < count; token++) {
    if (isListed[token] === 1) distinct[place++] = token;
  }
  return distinct;
}

/**
 * Of lists few rows of a dense gradient are touched, and memory of zeros costs nothing before that. A sparse one is written
 * from end to end.
 */
function allocateWeightGradient(isListed: boolean, isSparse: boolean, newGradient: Allocate): Allocate {
  if (isSparse) return allocateUncleared;
  return isListed ? allocate : newGradient;
}

function prepareGradients(
  { dtype }: ReadMatrix,
  lengths: Record<LinearNeed, number>,
  { needs, out, accumulate }: CheckedLinearOptions,
  newGradient: Allocate,
  newWeightGradient: Allocate,
): LinearOutput {
  const typeOf = (need: LinearNeed) => (need === 'hidden' && dtype !== 'float32' ? 'Uint16Array' : 'Float32Array');
  // All are checked before the first is allocated.
  const names = [...needs];
  for (const need of names) checkGradient(need, typeOf(need), lengths[need], out?.[gradientName(need)]);
  return Object.fromEntries(
    names.map((need) => {
      const name = gradientName(need);
      const make = accumulate ? allocate : need === 'weight' ? newWeightGradient : newGradient;
      return [name, out?.[name] ?? make(ARRAYS[typeOf(need)] as typeof Float32Array, lengths[need], name)];
    }),
  );
}

const ARRAYS = { Float32Array, Uint16Array };

function checkGradient(need: LinearNeed, type: keyof typeof ARRAYS, length: number, given: unknown): void {
  const name = gradientName(need);
  if (length > Number.MAX_SAFE_INTEGER) {
    fail('ERR_BEAR_SHAPE', name, 'no more elements than an index can count (2^53 - 1)', `${length} elements`);
  }
  if (given === undefined) return;
  const argument = `out.${name}`;
  if (!isArrayOf(given, type)) {
    const code = typedArrayName(given) === undefined ? 'ERR_BEAR_ARGUMENT_TYPE' : 'ERR_BEAR_DTYPE';
    refuse(code, argument, `a ${type}`, given);
  }
  assertAttached(given as FactorArray, argument);
  if (lengthOf(given as FactorArray) === length) return;
  const code = lengthOf(given as FactorArray) < length ? 'ERR_BEAR_OUT_TOO_SMALL' : 'ERR_BEAR_SHAPE';
  refuse(code, argument, `${length} elements`, given);
}
