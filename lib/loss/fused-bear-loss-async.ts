import type { NativeOutcome } from '../native/binding.js';
import { computeLossAsync } from '../native/loss-calls.js';
import { type Abortion, reasonOf } from '../options/abort-signal.js';
import { type CheckedOptions, checkOptions } from '../options/check-options.js';
import type { AsyncBearLossOptions, GradientChoice, LogitsArray, Reduction } from '../options/options.js';
import { outcomeOf, wasAborted, withSignal } from './abortable.js';
import { staysInPlace } from './borrowing.js';
import type { Logits } from './logits.js';
import { outcomeError } from './outcome-errors.js';
import { type PreparedCall, prepareCall } from './prepare-call.js';
import { assembleResult, type BearLossResult } from './result.js';
import type { Targets } from './targets.js';
import { allocateUncleared } from './uncleared-array.js';

/**
 * {@link fusedBearLoss} off the main thread: the same arguments, and the same result bit for bit.
 *
 * Inputs are copied before it returns, so the caller may change, transfer or detach them at once. A gradient that the
 * caller gave the memory for (`out.gradLogits`, or in place the logits) is written on the calling thread just before the
 * promise is fulfilled, all or nothing: where its buffer was transferred, detached or resized meanwhile, the promise is
 * rejected with ERR_BEAR_BUFFER_DETACHED.
 *
 * Logits and gradient in SharedArrayBuffers are used where they lie, and so is other memory with `borrow: true`: leave the
 * arrays alone until the promise has settled. This takes no time of the calling thread.
 *
 * `options.signal` aborts the call, before, while it waits and while it runs: the promise is rejected with
 * `signal.reason`. Nothing is written, but a gradient in borrowed memory may hold anything; then the promise is rejected
 * when the kernel has let go of the memory. Two calls of the process run at a time, on threads of the addon's own; others
 * wait for their turn, those of each worker in order.
 *
 * Every error rejects the promise, also one that an argument causes: the call itself never throws.
 *
 * @example
 * const { loss, gradLogits } = await fusedBearLossAsync(logits, targets, { vocabSize: 32000, signal });
 */
export async function fusedBearLossAsync<
  R extends Reduction = 'mean',
  A extends LogitsArray = LogitsArray,
  G extends GradientChoice = true,
  S extends boolean = false,
>(logits: Logits<A>, targets: Targets, options?: AsyncBearLossOptions<R, G, S>): Promise<BearLossResult<R, A, G, S>> {
  const checked = checkOptions(options);
  const result = await withSignal(checked.signal, (abortion) => computeLoss(logits, targets, checked, abortion));
  return result as unknown as BearLossResult<R, A, G, S>;
}

async function computeLoss(
  logits: Logits,
  targets: Targets,
  options: CheckedOptions,
  abortion: Abortion | undefined,
): Promise<BearLossResult> {
  const prepared = prepareCall(logits, targets, options, allocateUncleared);
  const outcome = await run(prepared, options.borrow, abortion);
  if (outcome.status === 'done') return assembleResult(outcome, prepared);
  if (outcome.status === 'aborted') throw options.signal && reasonOf(options.signal);
  throw outcomeError(outcome, prepared);
}

async function run({ call }: PreparedCall, borrow: boolean, abortion: Abortion | undefined): Promise<NativeOutcome> {
  if (wasAborted(abortion)) return { status: 'aborted' };
  const { logits, gradLogits, gradIsNew } = call;
  const borrowsLogits = staysInPlace(logits, borrow);
  const borrowsGradient = gradLogits !== undefined && !gradIsNew && staysInPlace(gradLogits, borrow);
  // Nobody knows a new gradient before the promise is fulfilled.
  const lent = (borrowsLogits ? 1 : 0) + (borrowsGradient || gradIsNew ? 2 : 0);
  return outcomeOf(
    (state, done) => computeLossAsync(call, lent, state, done),
    borrowsLogits || borrowsGradient,
    abortion,
  );
}
