// From what the caller gave to what the addon takes: every check that TypeScript makes, and every array that it allocates.
import type { NativeLossCall } from '../native/binding.js';
import { type Constraint, checkExtents, copyAllowed } from './allowed.js';
import { assertApart, assertLength } from './arrays.js';
import { deviceIndex } from './device-arguments.js';
import { assertOnHost, type DeviceTensor } from './device-tensor.js';
import { bearError } from './errors.js';
import { type Logits, nativeView, readLogits, rowsExtent } from './logits.js';
import {
  type CheckedOptions,
  DTYPES,
  GRADIENT_MODES,
  type LogitsArray,
  PENALTIES,
  REDUCTIONS,
  THRESHOLD_GRADIENTS,
} from './options.js';
import { type Outputs, prepareOutputs } from './outputs.js';
import { readTargets, type Targets } from './targets.js';
import { resolveThreads } from './threads.js';
import { typedArrayName } from './typed-arrays.js';

export interface PreparedCall {
  call: NativeLossCall;
  outputs: Outputs;
  /** What the caller calls the array that takes the gradient. */
  gradientArgument: string;
  allowedTokenCount: number;
}

/** Throws before anything is allocated that is not small, and never after anything was written. */
export function prepareCall(logits: Logits, targets: Targets, options: CheckedOptions): PreparedCall {
  assertNoStream(options);
  const targetIds = readTargets(targets);
  const checked = readLogits(logits, targetIds.length, options);
  const { rows, vocabSize } = checked;
  const gradOutput = readGradOutput(options.gradOutput, rows);
  const constraint = copyAllowed(options.allowed);
  checkExtents(constraint, rows, vocabSize);
  const outputs = prepareOutputs(checked, options);
  const { gradient } = outputs;
  const gradientArgument = options.out?.gradLogits === undefined ? 'logits' : 'out.gradLogits';
  if (gradient.data !== undefined && !gradient.isNew) {
    assertIndicesApart(
      gradient.data,
      rowsExtent(rows, vocabSize, gradient.rowStride, gradientArgument),
      gradientArgument,
      targets,
      options,
    );
  }
  return {
    outputs,
    gradientArgument,
    allowedTokenCount: constraint.tokens?.length ?? 0,
    // One literal, as the spreading of parts into one another took longer than all checks of the arrays.
    call: {
      // Host arrays live with the CPU.
      device: deviceIndex(options.device === 'auto' ? 'cpu' : options.device),
      rows,
      vocabSize,
      rowStride: checked.rowStride,
      dtype: DTYPES.indexOf(checked.dtype),
      logits: checked.view,
      targets: targetIds,
      tokenWeights: readRowArray(options.tokenWeights, rows, 'tokenWeights'),
      penaltyWeights: readRowArray(options.penaltyWeights, rows, 'penaltyWeights'),
      gradOutput: gradOutput.number,
      gradOutputRows: gradOutput.array,
      allowedOffsets: constraint.offsets,
      allowedTokens: constraint.tokens,
      allowedBitmask: constraint.bitmask,
      beamWidth: options.beamWidth,
      penalty: PENALTIES.indexOf(options.penalty),
      thresholdGradient: THRESHOLD_GRADIENTS.indexOf(options.thresholdGradient),
      reduction: REDUCTIONS.indexOf(options.reduction),
      lambda: options.lambda,
      xi: options.xi,
      margin: options.margin,
      temperature: options.temperature,
      softcap: options.softcap ?? 0,
      labelSmoothing: options.labelSmoothing,
      zLoss: options.zLoss,
      normalizer: options.normalizer ?? 0,
      ignoreIndex: options.ignoreIndex,
      pruningStatistics: options.pruningStatistics,
      threads: resolveThreads(options.threads),
      gradient: GRADIENT_MODES.indexOf(gradient.mode),
      gradLogits: gradient.data && nativeView(gradient.data),
      gradRowStride: gradient.rowStride,
      gradIsNew: gradient.isNew,
      rowLosses: outputs.rowLosses,
      nll: outputs.rows?.nll,
      logSumExp: outputs.rows?.logSumExp,
      threshold: outputs.rows?.threshold,
      margins: outputs.rows?.margin,
      penalties: outputs.rows?.penalty,
      rank: outputs.rows?.rank,
    },
  };
}

function readRowArray(
  array: Float32Array | DeviceTensor | undefined,
  rows: number,
  argument: string,
): Float32Array | undefined {
  if (array === undefined) return undefined;
  assertOnHost<Float32Array>(array, argument);
  assertLength(array, rows, 'N', argument);
  return array;
}

function readGradOutput(gradOutput: number | Float32Array | DeviceTensor, rows: number) {
  if (typeof gradOutput === 'number') return { number: gradOutput, array: undefined };
  return { number: 1, array: readRowArray(gradOutput, rows, 'gradOutput') };
}

/** Throws where the gradient would be written over an index array of the caller's. */
function assertIndicesApart(
  gradient: LogitsArray,
  elements: number,
  argument: string,
  targets: Targets,
  { allowed }: CheckedOptions,
): void {
  if (typedArrayName(targets) !== undefined) {
    assertApart(gradient, elements, argument, targets as Int32Array | BigInt64Array, 'targets');
  }
  if (allowed === undefined) return;
  const { offsets, tokens, bitmask } = allowed as Constraint; // on the host, as copies were made of them
  assertApart(gradient, elements, argument, offsets, 'allowed.offsets');
  assertApart(gradient, elements, argument, tokens, 'allowed.tokens');
  assertApart(gradient, elements, argument, bitmask, 'allowed.bitmask');
}

function assertNoStream({ stream }: CheckedOptions): void {
  if (stream === undefined) return;
  throw bearError('ERR_BEAR_OPTION_CONFLICT', {
    argument: 'stream',
    expected: 'logits that are a DeviceTensor',
    received: 'logits in host memory, whose copies and kernels have streams of their own',
  });
}
