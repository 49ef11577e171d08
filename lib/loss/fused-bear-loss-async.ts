import type { NativeOutcome } from '../native/binding.js';
import { computeLossAsync } from '../native/loss-calls.js';
import { type Abortion, isAborted, reasonOf, subscribe } from './abort-signal.js';
import { checkOptions } from './check-options.js';
import { computeDeviceLoss } from './compute-device-loss.js';
import type { DeviceBearLossResult } from './device-result.js';
import { type DeviceTensor, isDeviceTensor } from './device-tensor.js';
import type { Logits } from './logits.js';
import type {
  AnyBearLossOptions,
  BearLossOptions,
  CheckedOptions,
  DeviceBearLossOptions,
  DType,
  LogitsArray,
  Reduction,
} from './options.js';
import { outcomeError } from './outcome-errors.js';
import { type PreparedCall, prepareCall } from './prepare-call.js';
import type { DeviceTargets } from './prepare-device-call.js';
import { assembleResult, type BearLossResult } from './result.js';
import type { Targets } from './targets.js';

/**
 * Of logits on a device: what {@link fusedBearLoss} does there, which does not wait for the device either. Fulfilled once
 * the work is enqueued.
 */
export function fusedBearLossAsync<R extends Reduction = 'mean', D extends DType = DType>(
  logits: DeviceTensor<D>,
  targets: DeviceTargets,
  options?: DeviceBearLossOptions<R>,
): Promise<DeviceBearLossResult<R, D>>;
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
export function fusedBearLossAsync<R extends Reduction = 'mean', A extends LogitsArray = LogitsArray>(
  logits: Logits<A>,
  targets: Targets,
  options?: BearLossOptions<R>,
): Promise<BearLossResult<R, A>>;
export async function fusedBearLossAsync(
  logits: Logits | DeviceTensor,
  targets: DeviceTargets,
  given?: AnyBearLossOptions,
): Promise<BearLossResult | DeviceBearLossResult> {
  const options = checkOptions(given);
  const { signal } = options;
  if (signal && isAborted(signal)) throw reasonOf(signal);
  if (isDeviceTensor(logits)) return computeDeviceLoss(logits, targets, options);
  // Before the arguments are read, as subscribing runs code of the signal's, which may be anybody's.
  const abortion = signal && subscribe(signal);
  try {
    return await computeHostLoss(logits, targets as Targets, options, abortion);
  } finally {
    abortion?.unsubscribe();
  }
}

async function computeHostLoss(
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
