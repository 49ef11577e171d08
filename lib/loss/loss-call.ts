// The call as it crosses to the addon: one literal for arrays in host memory and for memory of a device.
import type { NativeLossCall } from '../native/binding.js';
import type { CheckedAllowed, CheckedOptions } from '../options/check-options.js';
import { DTYPES, type DType, GRADIENT_MODES, type GradientMode } from '../options/options.js';

/** Where the logits are and how they lie. */
export interface CallShape extends Pick<NativeLossCall, 'device' | 'rows' | 'vocabSize' | 'rowStride' | 'threads'> {
  dtype: DType;
}

/** Arrays of host memory, or handles (`On`) of memory of a device. */
export interface CallInputs<On = never>
  extends Pick<NativeLossCall<On>, 'logits' | 'targets' | 'tokenWeights' | 'penaltyWeights' | 'gradOutputRows'> {
  allowed: CheckedAllowed<Int32Array | On, Uint32Array | On>;
}

export interface CallOutputs<On = never>
  extends Pick<NativeLossCall<On>, 'gradLogits' | 'gradRowStride' | 'gradIsNew' | 'rowLosses'> {
  gradientMode: GradientMode;
  rows: ReturnType<typeof rowStatistics<Float32Array | On, Int32Array | On>> | undefined;
}

/** The statistics of rows, of what holds float32 numbers and what holds integers. */
export function rowStatistics<Floats, Ints>(floats: () => Floats, ints: () => Ints) {
  return { nll: floats(), logSumExp: floats(), threshold: floats(), margin: floats(), penalty: floats(), rank: ints() };
}

export function lossCall<On = never>(
  options: Pick<CheckedOptions, keyof NativeLossCall['options']> & { gradOutput: unknown },
  shape: CallShape,
  inputs: CallInputs<On>,
  outputs: CallOutputs<On>,
): NativeLossCall<On> {
  // One literal, as the spreading of parts into one another took longer than all checks of the arrays.
  return {
    device: shape.device,
    rows: shape.rows,
    vocabSize: shape.vocabSize,
    rowStride: shape.rowStride,
    dtype: DTYPES.indexOf(shape.dtype),
    threads: shape.threads,
    options,
    logits: inputs.logits,
    targets: inputs.targets,
    tokenWeights: inputs.tokenWeights,
    penaltyWeights: inputs.penaltyWeights,
    gradOutput: typeof options.gradOutput === 'number' ? options.gradOutput : 1,
    gradOutputRows: inputs.gradOutputRows,
    allowedOffsets: inputs.allowed.offsets,
    allowedTokens: inputs.allowed.tokens,
    allowedBitmask: inputs.allowed.bitmask,
    gradient: GRADIENT_MODES.indexOf(outputs.gradientMode),
    gradLogits: outputs.gradLogits,
    gradRowStride: outputs.gradRowStride,
    gradIsNew: outputs.gradIsNew,
    rowLosses: outputs.rowLosses,
    nll: outputs.rows?.nll,
    logSumExp: outputs.rows?.logSumExp,
    threshold: outputs.rows?.threshold,
    margins: outputs.rows?.margin,
    penalties: outputs.rows?.penalty,
    rank: outputs.rows?.rank,
  };
}
