// The call as it crosses to the addon: one literal for arrays in host memory and for memory of a device.
import type { NativeLossCall } from '../native/binding.js';
import type { CheckedAllowed, CheckedOptions } from '../options/check-options.js';
import { DTYPES, type DType, GRADIENT_MODES, type GradientMode } from '../options/options.js';

/** Where the logits are and how they lie. */
export interface CallShape {
  /** A CUDA device's index, or -1 for the CPU. */
  device: number;
  rows: number;
  vocabSize: number;
  rowStride: number;
  dtype: DType;
  threads: number;
}

/** Arrays of host memory, or handles (`On`) of memory of a device. */
export interface CallInputs<On = never> {
  logits: NativeLossCall<On>['logits'];
  targets: NativeLossCall<On>['targets'];
  tokenWeights: NativeLossCall<On>['tokenWeights'];
  penaltyWeights: NativeLossCall<On>['penaltyWeights'];
  gradOutputRows: NativeLossCall<On>['gradOutputRows'];
  allowed: CheckedAllowed<Int32Array | On, Uint32Array | On>;
}

export interface CallOutputs<On = never> {
  gradientMode: GradientMode;
  gradLogits: NativeLossCall<On>['gradLogits'];
  gradRowStride: number;
  /** Whether nobody but this call knows `gradLogits`. */
  gradIsNew: boolean;
  rowLosses: NativeLossCall<On>['rowLosses'];
  rows:
    | (Record<'nll' | 'logSumExp' | 'threshold' | 'margin' | 'penalty', Float32Array | On> & { rank: Int32Array | On })
    | undefined;
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
