import { enqueueLoss } from '../native/loss-calls.js';
import { assembleDeviceResult, type DeviceBearLossResult } from './device-result.js';
import { type DeviceTensor, openStorage } from './device-tensor.js';
import type { CheckedOptions } from './options.js';
import { outcomeError } from './outcome-errors.js';
import { type DeviceTargets, prepareDeviceCall } from './prepare-device-call.js';

/** Enqueues the call and returns; where it cannot be enqueued, nothing that it allocated is left. */
export function computeDeviceLoss(
  logits: DeviceTensor,
  targets: DeviceTargets,
  options: CheckedOptions,
): DeviceBearLossResult {
  const prepared = prepareDeviceCall(logits, targets, options);
  const { call, outputs, stream } = prepared;
  const scalarLoss = options.reduction === 'none' ? undefined : outputs.loss;
  try {
    const outcome = enqueueLoss(call, scalarLoss && openStorage(scalarLoss, 'loss'), stream);
    if (!('status' in outcome)) return assembleDeviceResult(outcome, prepared);
    if (outcome.status === 'done' || outcome.status === 'aborted') throw new Error('fused-bear-loss: nothing enqueued');
    throw outcomeError(outcome, prepared);
  } catch (error) {
    for (const tensor of outputs.created) tensor.dispose();
    throw error;
  }
}
