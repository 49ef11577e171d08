import { computeLoss } from '../native/loss-calls.js';
import { checkOptions } from './check-options.js';
import { computeDeviceLoss } from './compute-device-loss.js';
import type { DeviceBearLossResult } from './device-result.js';
import { type DeviceTensor, isDeviceTensor } from './device-tensor.js';
import { bearError } from './errors.js';
import type { Logits } from './logits.js';
import type {
  AnyBearLossOptions,
  BearLossOptions,
  DeviceBearLossOptions,
  DType,
  LogitsArray,
  Reduction,
} from './options.js';
import { outcomeError } from './outcome-errors.js';
import { prepareCall } from './prepare-call.js';
import type { DeviceTargets } from './prepare-device-call.js';
import { assembleResult, type BearLossResult } from './result.js';
import type { Targets } from './targets.js';

/**
 * The BEAR loss of logits on a device, as the next form computes it of host arrays. Enqueues the work and returns at once: loss, gradient and row statistics are tensors on
 * that device, and `await result.read()` brings the counts to the host.
 *
 * @param logits [..., V] of dtype float32, float16 or bfloat16; a last dimension above `vocabSize` is padding. Not
 *   written, unless `gradient` is in place.
 */
export function fusedBearLoss<R extends Reduction = 'mean', D extends DType = DType>(
  logits: DeviceTensor<D>,
  targets: DeviceTargets,
  options?: DeviceBearLossOptions<R>,
): DeviceBearLossResult<R, D>;
/**
 * The BEAR loss of N rows of V logits and its gradient, computed at once.
 *
 * A row is one decoding step. Its loss is `nll + lambda * r(delta)`: the cross-entropy of the target, and a penalty on its
 * pruning margin delta, the B-th largest scaled logit minus the target's, which is above 0 where a beam search of width B
 * drops the target. (W. Yang et al., "BEAR", SIGIR 2026, arXiv 2601.22925; docs/math.md.)
 *
 * Runs on the calling thread and the kernel's own threads, and blocks until it is done. Copies nothing but targets and
 * constraint.
 *
 * @param logits N * V numbers as `Float32Array` (float32), `Uint16Array` (the bits of float16 or bfloat16: `dtype` says
 *   which) or `Float16Array`, or `{ data, shape: [..., V], dtype?, rowStride? }`. Not written, unless `gradient` is in
 *   place. Minus infinity masks a token.
 * @param targets [N] token ids, or `ignoreIndex`.
 * @param options see {@link BearLossOptions}.
 * @throws TypeError or RangeError with a `code` of {@link BearErrorCode}, `argument`, and `row` where it is one row's
 *   fault. Then nothing has been written to the caller's buffers.
 */
export function fusedBearLoss<R extends Reduction = 'mean', A extends LogitsArray = LogitsArray>(
  logits: Logits<A>,
  targets: Targets,
  options?: BearLossOptions<R>,
): BearLossResult<R, A>;
export function fusedBearLoss(
  logits: Logits | DeviceTensor,
  targets: DeviceTargets,
  given?: AnyBearLossOptions,
): BearLossResult | DeviceBearLossResult {
  const options = checkOptions(given);
  if (options.signal !== undefined) {
    throw bearError('ERR_BEAR_OPTION_CONFLICT', {
      argument: 'signal',
      expected: 'an asynchronous call, as a synchronous one cannot be aborted',
      received: 'a synchronous call',
    });
  }
  if (isDeviceTensor(logits)) return computeDeviceLoss(logits, targets, options);
  const prepared = prepareCall(logits, targets as Targets, options);
  const outcome = computeLoss(prepared.call);
  if (outcome.status === 'done') return assembleResult(outcome, prepared);
  if (outcome.status === 'aborted') throw new Error('fused-bear-loss: aborted without a signal');
  throw outcomeError(outcome, prepared);
}
