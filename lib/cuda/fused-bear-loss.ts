import { outcomeError } from '../loss/outcome-errors.js';
import { enqueueLoss } from '../native/loss-calls.js';
import { refuse } from '../options/errors.js';
import type { DType, GradientChoice, Reduction } from '../options/options.js';
import { DeviceTensor, openStorage } from './device-tensor.js';
import { checkDeviceOptions, type DeviceBearLossOptions } from './options.js';
import { type DeviceTargets, prepareDeviceCall } from './prepare-call.js';
import { assembleDeviceResult, type DeviceBearLossResult } from './result.js';

/**
 * Returns the BEAR loss of logits on a device, and its gradient, as tensors on that device. The function of the same name in
 * `fused-bear-loss` does the same for host arrays, bit for bit.
 *
 * Enqueues the work and does not wait for it. `await result.read()` brings the loss and the counts to the host.
 *
 * @param logits [..., V] of dtype float32, float16 or bfloat16; a last dimension above `vocabSize` is padding. Not
 *   written, unless `gradient` is in place.
 * @param targets [N] token ids, or `ignoreIndex`: on the device, or in host memory.
 * @param options see {@link DeviceBearLossOptions}.
 * @throws TypeError or RangeError with a `code`. Then nothing was enqueued, and nothing that the call allocated is left.
 *   Bad targets and allowed ids that are on the device make their rows NaN, and `read()` throws.
 *
 * @example
 * using logits = DeviceTensor.fromPointer(pointer, [rows, vocabSize], 'bfloat16');
 * using result = fusedBearLoss(logits, targets, { beamWidth: 10 });
 * const { loss } = await result.read();
 */
export function fusedBearLoss<
  R extends Reduction = 'mean',
  D extends DType = DType,
  G extends GradientChoice = true,
  S extends boolean = false,
>(
  logits: DeviceTensor<D>,
  targets: DeviceTargets,
  options?: DeviceBearLossOptions<R, G, S>,
): DeviceBearLossResult<R, D, G, S> {
  const checked = checkDeviceOptions(options);
  assertOnDevice(logits);
  const prepared = prepareDeviceCall(logits, targets, checked);
  const { call, outputs, stream } = prepared;
  const scalarLoss = checked.reduction === 'none' ? undefined : outputs.loss;
  try {
    const outcome = enqueueLoss(call, scalarLoss && openStorage(scalarLoss, 'loss'), stream);
    if (!('status' in outcome))
      return assembleDeviceResult(outcome, prepared) as unknown as DeviceBearLossResult<R, D, G, S>;
    if (outcome.status === 'done' || outcome.status === 'aborted') throw new Error('fused-bear-loss: nothing enqueued');
    throw outcomeError(outcome, prepared);
  } catch (error) {
    for (const tensor of outputs.created) tensor.dispose();
    throw error;
  }
}

function assertOnDevice(logits: unknown): asserts logits is DeviceTensor {
  if (DeviceTensor.isDeviceTensor(logits)) return;
  const expected = 'a DeviceTensor, as arrays in host memory are for the entry fused-bear-loss';
  if (typeof logits !== 'object' || logits === null) refuse('ERR_BEAR_ARGUMENT_TYPE', 'logits', expected, logits);
  refuse('ERR_BEAR_DEVICE_MISMATCH', 'logits', expected, logits);
}
