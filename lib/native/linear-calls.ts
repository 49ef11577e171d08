// The calls of the linear form, in the layout that the addon reads.
import { native } from './backend.js';
import type { NativeArray, NativeLinearCall, NativeOutcome } from './binding.js';
import { CALL_FIELDS } from './call-fields.js';
import { arraysOf, numbersOf, summaryOutcome } from './loss-calls.js';

const summary = new Float64Array(CALL_FIELDS.summary.length);

export function computeLinearLoss(call: NativeLinearCall): NativeOutcome {
  const { linearLoss } = native();
  const outcome = linearLoss(
    numbersOf(call.loss),
    arraysOf(call.loss),
    linearNumbersOf(call),
    linearArraysOf(call),
    summary,
  );
  return outcome ?? summaryOutcome(summary);
}

// In the orders of CALL_FIELDS.

function linearNumbersOf({ hiddenSize, operandDType, accumulate, workspaceBytes }: NativeLinearCall): Float64Array {
  return Float64Array.of(hiddenSize, operandDType, accumulate ? 1 : 0, workspaceBytes);
}

function linearArraysOf(call: NativeLinearCall): (NativeArray | undefined)[] {
  return [call.hidden, call.weight, call.bias, call.gradHidden, call.gradWeight, call.gradBias];
}
