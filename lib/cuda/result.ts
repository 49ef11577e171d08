/// <reference lib="esnext.disposable" preserve="true" />
import { outcomeError } from '../loss/outcome-errors.js';
import { type AskedFor, type LossByReduction, type LossCounts, lossCounts } from '../loss/result.js';
import { native } from '../native/backend.js';
import type { NativeEnqueuedLoss, NativeOutcome } from '../native/binding.js';
import { fail } from '../options/errors.js';
import type { DType, GradientChoice, Reduction } from '../options/options.js';
import type { DeviceTensor } from './device-tensor.js';
import type { DeviceRowStatistics } from './outputs.js';
import type { PreparedDeviceCall } from './prepare-call.js';

/** What `read()` brings to the host. */
export interface DeviceLossReading<R extends Reduction = Reduction> extends LossCounts, LossByReduction<R> {}

interface EnqueuedLoss<R extends Reduction> {
  /** The loss, []; for reduction `none` that of each row, [N]. */
  loss: DeviceTensor<'float32'>;
  /**
   * Waits for the device, without blocking, and says what the rows were like. Throws what is wrong with targets or allowed
   * tokens that are on the device (their rows are NaN), and what the device reports.
   */
  read(): Promise<DeviceLossReading<R>>;
  /** Gives back the tensors that this call made. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/**
 * The results of a call with logits on a device. They stay there, and may not be there yet: the call does not wait.
 * `gradLogits` is a tensor [..., V] in the logits' dtype: a new one, `out.gradLogits`, or in place the logits. It is there
 * unless `gradient` (`G`) is false, `rows` where `rows` (`S`) is true.
 */
export type DeviceBearLossResult<
  R extends Reduction = Reduction,
  D extends DType = DType,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> = EnqueuedLoss<R> & AskedFor<G, DeviceTensor<D>, S, DeviceRowStatistics>;

export function assembleDeviceResult(enqueued: NativeEnqueuedLoss, prepared: PreparedDeviceCall): DeviceBearLossResult {
  const { outputs, options } = prepared;
  let pending: NativeEnqueuedLoss | undefined = enqueued;

  const read = async (): Promise<DeviceLossReading> => {
    if (pending === undefined) {
      fail('ERR_BEAR_DISPOSED', 'result', 'a result that has its tensors', 'one that was disposed');
    }
    const handle = pending;
    const outcome = await new Promise<NativeOutcome>((resolve) => {
      const failure = native().device.readLoss(handle, resolve);
      if (failure !== undefined) resolve(failure);
    });
    if (outcome.status === 'aborted') throw new Error('fused-bear-loss: aborted on the device');
    if (outcome.status !== 'done') throw outcomeError(outcome, prepared);
    const isVector = outputs.loss.shape.length > 0;
    return {
      loss: (isVector ? await outputs.loss.toHostAsync() : outcome.loss) as DeviceLossReading['loss'],
      ...lossCounts(outcome, options.pruningStatistics),
    };
  };

  const dispose = () => {
    if (pending === undefined) return;
    native().device.release(pending);
    pending = undefined;
    for (const tensor of outputs.created) tensor.dispose();
  };

  return {
    loss: outputs.loss,
    ...(outputs.gradient && { gradLogits: outputs.gradient }),
    ...(outputs.rows && { rows: outputs.rows }),
    read,
    dispose,
    [Symbol.dispose]: dispose,
  };
}
