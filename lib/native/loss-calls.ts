// The calls of the loss, in the layout that the addon reads.
import { CROSSING_OPTIONS } from '../options/option-table.js';
import { native } from './backend.js';
import type {
  NativeArray,
  NativeEnqueuedLoss,
  NativeLossCall,
  NativeMergedRows,
  NativeOutcome,
  NativePartArray,
  NativePartials,
  NativeStorage,
  NativeStream,
  NativeSummary,
} from './binding.js';
import { CALL_FIELDS } from './call-fields.js';

export function computeLoss(call: NativeLossCall): NativeOutcome {
  const { computeLoss } = native();
  return computeLoss(numbersOf(call), arraysOf(call), summary) ?? summaryOutcome();
}

/**
 * Copies what is not lent before it returns. `lent` says what the addon may use where it lies until `done` is called: the
 * sum of 1 for the logits and 2 for the gradient. An outcome that is returned is final; else `done` gets it. The call ends early
 * once `state[0]` is not 0. Where that was set while `state[1]` was 0, nothing that was lent is used any more.
 */
export function computeLossAsync(
  call: NativeLossCall,
  lent: number,
  state: Int32Array | undefined,
  done: (outcome: NativeOutcome) => void,
): NativeOutcome | undefined {
  return native().computeLossAsync(numbersOf(call), arraysOf(call), lent, state, done);
}

/** Undefined: done. `place` is the part's first token and the size of the whole vocabulary. */
export function computePartials(
  call: NativeLossCall,
  place: Float64Array,
  partials: NativePartials,
): NativeOutcome | undefined {
  return native().partials(numbersOf(call), arraysOf(call), place, partialArrays(partials, isSmoothed(call)));
}

export function computePartGradient(
  call: NativeLossCall,
  place: Float64Array,
  merged: NativeMergedRows,
): NativeOutcome {
  const arrays = mergedArrays(merged, isSmoothed(call));
  return native().partGradient(numbersOf(call), arraysOf(call), place, arrays, summary) ?? summaryOutcome();
}

const isSmoothed = ({ options }: NativeLossCall) => (options.labelSmoothing as number) > 0;

// In the orders of native/binding/part_calls.cc.

function partialArrays(partials: NativePartials, smoothed: boolean): (NativePartArray | undefined)[] {
  const { maxLogit, sumOthers, targetLogit, counts, sumDifferences } = partials;
  const { candidateLogits, candidateTokens, flags } = partials;
  const differences = smoothed ? sumDifferences : undefined;
  return [maxLogit, sumOthers, targetLogit, counts, differences, candidateLogits, candidateTokens, flags];
}

function mergedArrays(merged: NativeMergedRows, smoothed: boolean): (NativePartArray | undefined)[] {
  const { maxLogit, sumOthers, targetLogit, thresholdLogit, thresholdToken, flags } = merged;
  const [count, differences] = smoothed ? [merged.allowedCount, merged.sumDifferences] : [];
  return [maxLogit, sumOthers, targetLogit, thresholdLogit, thresholdToken, count, differences, flags];
}

/** Uploads what lies in host memory and returns; the device does the rest. */
export function enqueueLoss(
  call: NativeLossCall<NativeStorage>,
  scalarLoss: NativeStorage | undefined,
  stream: NativeStream | undefined,
): NativeEnqueuedLoss | NativeOutcome {
  return native().device.enqueueLoss(numbersOf(call), arraysOf(call), scalarLoss, stream);
}

// Used again by every call: nothing of a user's runs between the writing and the reading of them.
const numbers = new Float64Array(CALL_FIELDS.numbers.length);
export const summary = new Float64Array(CALL_FIELDS.summary.length);

// Field by field, as a loop over the names takes ten times as long; the options by their table.
export function numbersOf(call: NativeLossCall<NativeStorage>): Float64Array {
  numbers[0] = call.device;
  numbers[1] = call.rows;
  numbers[2] = call.vocabSize;
  numbers[3] = call.rowStride;
  numbers[4] = call.dtype;
  numbers[5] = call.gradient;
  numbers[6] = call.gradOutput;
  numbers[7] = call.threads;
  numbers[8] = call.gradRowStride;
  numbers[9] = call.gradIsNew ? 1 : 0;
  let place = FIRST_OPTION;
  for (const { name, toNumber } of CROSSING_OPTIONS) {
    const value = call.options[name];
    numbers[place++] = value === undefined ? 0 : toNumber(value);
  }
  return numbers;
}

const FIRST_OPTION = CALL_FIELDS.numbers.length - CROSSING_OPTIONS.length;

// What every call has, then what few have: the addon takes what lies past the end as undefined, and need not ask for it.
export function arraysOf<On = never>(call: NativeLossCall<On>): (NativeArray | On | undefined)[] {
  const arrays: (NativeArray | On | undefined)[] = [call.logits, call.targets, call.gradLogits];
  const { tokenWeights, penaltyWeights, gradOutputRows, allowedOffsets, allowedTokens, allowedBitmask } = call;
  const { rowLosses, nll, logSumExp, threshold, margins, penalties, rank } = call;
  const isPlain =
    tokenWeights === undefined &&
    penaltyWeights === undefined &&
    gradOutputRows === undefined &&
    allowedOffsets === undefined &&
    allowedBitmask === undefined &&
    rowLosses === undefined &&
    rank === undefined;
  if (isPlain) return arrays;
  arrays.push(tokenWeights, penaltyWeights, gradOutputRows, allowedOffsets, allowedTokens, allowedBitmask);
  arrays.push(rowLosses, nll, logSumExp, threshold, margins, penalties, rank);
  return arrays;
}

export function summaryOutcome(): NativeSummary {
  return {
    status: 'done',
    loss: summary[0] as number,
    countedRows: summary[1] as number,
    prunedRows: summary[2] as number,
    topRankedRows: summary[3] as number,
    nonFiniteRows: [],
  };
}
