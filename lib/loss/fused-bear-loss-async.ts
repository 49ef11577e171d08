import type { NativeOutcome } from '../native/binding.js';
import { computeLossAsync } from '../native/loss-calls.js';
import { type Abortion, isAborted, reasonOf, subscribe } from '../options/abort-signal.js';
import { type CheckedOptions, checkOptions } from '../options/check-options.js';
import type { AsyncBearLossOptions, GradientChoice, LogitsArray, Reduction } from '../options/options.js';
import type { Logits } from './logits.js';
import { outcomeError } from './outcome-errors.js';
import { type PreparedCall, prepareCall } from './prepare-call.js';
import { assembleResult, type BearLossResult } from './result.js';
import type { Targets } from './targets.js';

/**
 * {@link fusedBearLoss} off the main thread: the same arguments, and the same result bit for bit.
 *
 * Inputs are copied before it returns, so the caller may change, transfer or detach them at once. Outputs (a new array,
 * `out.gradLogits`, or in place the logits) are written on the calling thread just before the promise is fulfilled, all or
 * nothing: where their buffer was transferred, detached or resized meanwhile, the promise is rejected with
 * ERR_BEAR_BUFFER_DETACHED.
 *
 * `options.signal` aborts it, before, while it waits and while it runs: the promise is rejected with `signal.reason` and
 * nothing is written. Two calls of the process run at a time, on threads of the addon's own; others wait for their turn,
 * those of each worker in order.
 *
 * Every error rejects the promise, also one that an argument causes: the call itself never throws.
 */
export async function fusedBearLossAsync<
  R extends Reduction = 'mean',
  A extends LogitsArray = LogitsArray,
  G extends GradientChoice = true,
  S extends boolean = false,
>(logits: Logits<A>, targets: Targets, options?: AsyncBearLossOptions<R, G, S>): Promise<BearLossResult<R, A, G, S>> {
  const checked = checkOptions(options);
  const { signal } = checked;
  if (signal && isAborted(signal)) throw reasonOf(signal);
  // Before the arguments are read, as subscribing runs code of the signal's, which may be anybody's.
  const abortion = signal && subscribe(signal);
  try {
    const result = await computeLoss(logits, targets, checked, abortion);
    return result as unknown as BearLossResult<R, A, G, S>;
  } finally {
    abortion?.unsubscribe();
  }
}

async function computeLoss(
  logits: Logits,
  targets: Targets,
  options: CheckedOptions,
  abortion: Abortion | undefined,
): Promise<BearLossResult> {
  const prepared = prepareCall(logits, targets, options);
  // Does not wait for the kernel to notice: from an abort on nothing is written.
  const outcome = await (abortion
    ? Promise.race([run(prepared, abortion), abortion.aborted.then(() => ABORTED)])
    : run(prepared, undefined));
  if (outcome.status === 'done') return assembleResult(outcome, prepared);
  if (outcome.status === 'aborted') throw options.signal && reasonOf(options.signal);
  throw outcomeError(outcome, prepared);
}

const ABORTED: NativeOutcome = { status: 'aborted' };

function run({ call }: PreparedCall, abortion: Abortion | undefined): Promise<NativeOutcome> {
  if (abortion?.flag[0] === 1) return Promise.resolve(ABORTED); // by a getter of the arguments
  return new Promise((resolve) => {
    const outcome = computeLossAsync(call, abortion?.flag, resolve);
    if (outcome !== undefined) resolve(outcome);
  });
}
