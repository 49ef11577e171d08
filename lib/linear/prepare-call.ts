// From what the caller gave to what the addon takes.
import { checkExtents, copyAllowed } from '../loss/allowed.js';
import { allocate, assertApart, assertAttached, assertLength } from '../loss/arrays.js';
import type { CheckedLogits } from '../loss/logits.js';
import { lossCall } from '../loss/loss-call.js';
import { type Outputs, prepareOutputs } from '../loss/outputs.js';
import { readTargets, type Targets } from '../loss/targets.js';
import { resolveThreads } from '../loss/threads.js';
import type { Allocate } from '../loss/uncleared-array.js';
import type { NativeLinearCall } from '../native/binding.js';
import { fail, refuse } from '../options/errors.js';
import { DTYPES } from '../options/options.js';
import { isArrayOf, lengthOf, typedArrayName } from '../options/typed-arrays.js';
import { type FactorArray, type Matrix, type ReadMatrix, readMatrix, type Shapes, shapesOf } from './matrices.js';
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
  const { loss, bias } = options;
  const gradOutputRows = typeof loss.gradOutput === 'number' ? undefined : loss.gradOutput;
  const rowArrays = {
    gradOutput: gradOutputRows,
    tokenWeights: loss.tokenWeights,
    penaltyWeights: loss.penaltyWeights,
  };
  for (const [name, array] of Object.entries(rowArrays)) {
    if (array !== undefined) assertLength(array, rows, 'N', name);
  }
  if (bias !== undefined) assertLength(bias, vocabSize, 'V', 'bias');
  const allowed = copyAllowed(loss.allowed);
  checkExtents(allowed, rows, vocabSize);
  checkWorkspace(options.workspaceBytes, vocabSize);
  const outputs = prepareOutputs({ rows, vocabSize } as CheckedLogits, loss, newGradient);
  const gradients = prepareGradients(left, shapes, options, newGradient);
  assertIndicesApart(gradients, targets, loss);
  const { gradHidden, gradWeight, gradBias } = gradients;
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
    gradHidden,
    gradWeight,
    gradBias,
  };
  const isNew = new Set(
    Object.keys(gradients).filter((name) => options.out?.[name as keyof LinearOutput] === undefined),
  );
  return { call, options: loss, outputs, gradients, isNew, allowedTokenCount: allowed.tokens?.length ?? 0 };
}

const LINE_BYTES = 64;

/** A row of logits takes whole lines of the cache. */
function checkWorkspace(workspaceBytes: number, vocabSize: number): void {
  const least = Math.ceil((vocabSize * Float32Array.BYTES_PER_ELEMENT) / LINE_BYTES) * LINE_BYTES;
  if (workspaceBytes >= least) return;
  refuse('ERR_BEAR_OPTION_VALUE', 'workspaceBytes', `at least ${least}, for the logits of one row`, workspaceBytes);
}

function prepareGradients(
  { dtype }: ReadMatrix,
  { rows, vocabSize, hiddenSize }: Shapes,
  { needs, out, accumulate }: CheckedLinearOptions,
  newGradient: Allocate,
): LinearOutput {
  const hiddenType = dtype === 'float32' ? 'Float32Array' : 'Uint16Array';
  const wanted = {
    hidden: { type: hiddenType, length: rows * hiddenSize },
    weight: { type: 'Float32Array', length: vocabSize * hiddenSize },
    bias: { type: 'Float32Array', length: vocabSize },
  } as const;
  // All are checked before the first is allocated.
  const names = [...needs];
  for (const need of names) checkGradient(need, wanted[need], out?.[gradientName(need)]);
  return Object.fromEntries(
    names.map((need) => {
      const name = gradientName(need);
      const { type, length } = wanted[need];
      const make = accumulate ? allocate : newGradient;
      return [name, out?.[name] ?? make(ARRAYS[type] as typeof Float32Array, length, name)];
    }),
  );
}

const ARRAYS = { Float32Array, Uint16Array };

function checkGradient(need: LinearNeed, wanted: { type: keyof typeof ARRAYS; length: number }, given: unknown): void {
  const name = gradientName(need);
  if (wanted.length > Number.MAX_SAFE_INTEGER) {
    fail('ERR_BEAR_SHAPE', name, 'no more elements than an index can count (2^53 - 1)', `${wanted.length} elements`);
  }
  if (given === undefined) return;
  const argument = `out.${name}`;
  if (!isArrayOf(given, wanted.type)) {
    const code = typedArrayName(given) === undefined ? 'ERR_BEAR_ARGUMENT_TYPE' : 'ERR_BEAR_DTYPE';
    refuse(code, argument, `a ${wanted.type}`, given);
  }
  assertAttached(given as FactorArray, argument);
  if (lengthOf(given as FactorArray) === wanted.length) return;
  const code = lengthOf(given as FactorArray) < wanted.length ? 'ERR_BEAR_OUT_TOO_SMALL' : 'ERR_BEAR_SHAPE';
  refuse(code, argument, `${wanted.length} elements`, given);
}

/** Throws where a gradient would be written over an index array of the caller's, of which the addon sees a copy. */
function assertIndicesApart(
  gradients: LinearOutput,
  targets: Targets,
  { allowed }: CheckedLinearOptions['loss'],
): void {
  for (const [name, gradient] of Object.entries(gradients) as [string, FactorArray][]) {
    const elements = lengthOf(gradient);
    const argument = `out.${name}`;
    if (typedArrayName(targets) !== undefined) {
      assertApart(gradient, elements, argument, targets as Int32Array | BigInt64Array, 'targets');
    }
    if (allowed === undefined) continue;
    assertApart(gradient, elements, argument, allowed.offsets, 'allowed.offsets');
    assertApart(gradient, elements, argument, allowed.tokens, 'allowed.tokens');
    assertApart(gradient, elements, argument, allowed.bitmask, 'allowed.bitmask');
  }
}
