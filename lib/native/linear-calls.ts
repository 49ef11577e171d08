// The calls of the linear form, in the layout that the addon reads.
import { native } from './backend.js';
import type { NativeArray, NativeLinearCall, NativeOutcome } from './binding.js';
import { LENDABLE } from './call-fields.js';
import { arraysOf, numbersOf, summary, summaryOutcome } from './loss-calls.js';

export function computeLinearLoss(call: NativeLinearCall): NativeOutcome {
  const { linearLoss } = native();
  const outcome = linearLoss(
    numbersOf(call.loss),
    arraysOf(call.loss),
    linearNumbersOf(call),
    linearArraysOf(call),
    summary,
  );
  return outcome ?? summaryOutcome();
}

/** As `computeLossAsync` of loss-calls.ts; `lent` has the names of arrays that must stay where they are. */
export function computeLinearLossAsync(
  call: NativeLinearCall,
  lent: ReadonlySet<string>,
  state: Int32Array | undefined,
  done: (outcome: NativeOutcome) => void,
): NativeOutcome | undefined {
  const bits = LENDABLE.reduce((sum, name, place) => sum + (lent.has(name) ? 2 ** place : 0), 0);
  const { linearLossAsync } = native();
  return linearLossAsync(
    numbersOf(call.loss),
    arraysOf(call.loss),
    linearNumbersOf(call),
    linearArraysOf(call),
    bits,
    state,
    done,
  );
}

// In the orders of CALL_FIELDS.

function linearNumbersOf(call: NativeLinearCall): Float64Array {
  const { hiddenSize, operandDType, accumulate, weightIsZero, workspaceBytes } = call;
  return Float64Array.of(hiddenSize, operandDType, accumulate ? 1 : 0, weightIsZero ? 1 : 0, workspaceBytes);
}

function linearArraysOf(call: NativeLinearCall): (NativeArray | undefined)[] {
  return [...LENDABLE.map((name) => call[name]), call.weightTokens];
}
