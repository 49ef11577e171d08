// From what the caller gave to what the addon takes: every check that TypeScript makes, and every array that it allocates.
import type { NativeLossCall } from '../native/binding.js';
import type { CheckedOptions } from '../options/check-options.js';
import { deviceIndex } from '../options/device-names.js';
import type { LogitsArray } from '../options/options.js';
import { typedArrayName } from '../options/typed-arrays.js';
import { assertAllowedApart, checkExtents, copyAllowed } from './allowed.js';
import { allocate, assertApart, assertLength } from './arrays.js';
import { type Logits, nativeView, readLogits, rowsExtent } from './logits.js';
import { lossCall } from './loss-call.js';
import { type Outputs, prepareOutputs } from './outputs.js';
import { readTargets, type Targets } from './targets.js';
import { resolveThreads } from './threads.js';
import type { Allocate } from './uncleared-array.js';

export interface PreparedCall {
  call: NativeLossCall;
  options: CheckedOptions;
  outputs: Outputs;
  /** What the caller calls the array that takes the gradient. */
  gradientArgument: string;
  allowedTokenCount: number;
}

/** Throws before anything is allocated that is not small, and never after anything was written. */
export function prepareCall(
  logits: Logits,
  targets: Targets,
  options: CheckedOptions,
  newGradient: Allocate = allocate,
): PreparedCall {
  const targetIds = readTargets(targets);
  const checked = readLogits(logits, targetIds.length, options);
  const { rows, vocabSize } = checked;
  const gradOutputRows = checkRowArrays(options, rows);
  const allowed = copyAllowed(options.allowed);
  checkExtents(allowed, rows, vocabSize);
  const entries = allowed.tokens?.length ?? 0;
  const outputs = prepareOutputs(checked, entries, options, newGradient);
  const { gradient } = outputs;
  const gradientArgument = options.out?.gradLogits === undefined ? 'logits' : 'out.gradLogits';
  if (gradient.data !== undefined && !gradient.isNew) {
    const elements =
      gradient.mode === 'sparse' ? entries : rowsExtent(rows, vocabSize, gradient.rowStride, gradientArgument);
    assertIndicesApart(gradient.data, elements, gradientArgument, targets, options);
  }
  const call = lossCall<never>(
    options,
    {
      // Host arrays live with the CPU.
      device: deviceIndex(options.device === 'auto' ? 'cpu' : options.device),
      rows,
      vocabSize,
      rowStride: checked.rowStride,
      dtype: checked.dtype,
      threads: resolveThreads(options.threads),
    },
    {
      logits: checked.view,
      targets: targetIds,
      tokenWeights: options.tokenWeights,
      penaltyWeights: options.penaltyWeights,
      gradOutputRows,
      allowed,
    },
    {
      gradientMode: gradient.mode,
      gradLogits: gradient.data && nativeView(gradient.data),
      gradRowStride: gradient.rowStride,
      gradIsNew: gradient.isNew,
      rowLosses: outputs.rowLosses,
      rows: outputs.rows,
    },
  );
  return { call, options, outputs, gradientArgument, allowedTokenCount: entries };
}

/** Throws unless what the options have for each row is for N rows. Returns `gradOutput` if it is such an array. */
export function checkRowArrays(options: CheckedOptions, rows: number): Float32Array | undefined {
  const { gradOutput, tokenWeights, penaltyWeights } = options;
  const gradOutputRows = typeof gradOutput === 'number' ? undefined : gradOutput;
  // One by one: a loop over their names would be a tenth of a small call.
  if (gradOutputRows !== undefined) assertLength(gradOutputRows, rows, 'N', 'gradOutput');
  if (tokenWeights !== undefined) assertLength(tokenWeights, rows, 'N', 'tokenWeights');
  if (penaltyWeights !== undefined) assertLength(penaltyWeights, rows, 'N', 'penaltyWeights');
  return gradOutputRows;
}

/** Throws where a gradient would be written over an index array of the caller's. */
export function assertIndicesApart(
  gradient: LogitsArray,
  elements: number,
  argument: string,
  targets: Targets,
  { allowed }: CheckedOptions,
): void {
  if (typedArrayName(targets) !== undefined) {
    assertApart(gradient, elements, argument, targets as Int32Array | BigInt64Array, 'targets');
  }
  assertAllowedApart(gradient, elements, argument, allowed);
}
