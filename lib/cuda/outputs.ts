// Where the results of a call on a device go: tensors of the caller's, or new ones.
import { checkStride, rowsExtent } from '../loss/logits.js';
import { rowStatistics } from '../loss/loss-call.js';
import type { RowStatistics } from '../loss/outputs.js';
import type { NativeStorage, NativeStream } from '../native/binding.js';
import { fail, refuse } from '../options/errors.js';
import type { DType, GradientMode } from '../options/options.js';
import { DeviceTensor, newTensor, openOn } from './device-tensor.js';
import type { CheckedDeviceOptions } from './options.js';

/** Logits on a device that have been found to hold `rows` rows of `vocabSize` numbers, `rowStride` apart. */
export interface DeviceLogits {
  tensor: DeviceTensor<DType>;
  storage: NativeStorage;
  device: number;
  rows: number;
  vocabSize: number;
  rowStride: number;
}

/** Statistics of each row, [N], on the device. As `RowStatistics`. */
export type DeviceRowStatistics = {
  [Name in keyof RowStatistics]: DeviceTensor<Name extends 'rank' ? 'int32' : 'float32'>;
};

export interface DeviceOutputs {
  /** [], or [N] for reduction `none`. */
  loss: DeviceTensor<'float32'>;
  gradientMode: GradientMode;
  gradient: DeviceTensor<DType> | undefined;
  gradientRowStride: number;
  rows: DeviceRowStatistics | undefined;
  /** Those that this call allocated. */
  created: DeviceTensor[];
}

/** Throws where one of them cannot be had; then the others are given back at once. */
export function prepareDeviceOutputs(
  logits: DeviceLogits,
  options: CheckedDeviceOptions,
  stream: NativeStream | undefined,
): DeviceOutputs {
  const created: DeviceTensor[] = [];
  const create = <D extends 'float32' | 'int32' | DType>(shape: readonly number[], dtype: D, cleared = false) => {
    const tensor = newTensor(shape, dtype, logits.device, stream, cleared);
    created.push(tensor);
    return tensor;
  };
  try {
    const { rows: count } = logits;
    const gradient = prepareGradient(logits, options, create);
    const loss = create(options.reduction === 'none' ? [count] : [], 'float32');
    const statistics = () =>
      rowStatistics(
        () => create([count], 'float32'),
        () => create([count], 'int32'),
      );
    const rows = options.rows ? statistics() : undefined;
    return {
      loss,
      rows,
      created,
      gradient: gradient.tensor,
      gradientMode: gradient.mode,
      gradientRowStride: gradient.rowStride,
    };
  } catch (error) {
    for (const tensor of created) tensor.dispose();
    throw error;
  }
}

function prepareGradient(
  { tensor, rows, vocabSize, rowStride: logitsStride, device }: DeviceLogits,
  { gradient, out }: CheckedDeviceOptions,
  create: (shape: readonly number[], dtype: DType, cleared: boolean) => DeviceTensor<DType>,
): { mode: GradientMode; tensor: DeviceTensor<DType> | undefined; rowStride: number } {
  if (gradient === false) return { mode: 'none', tensor: undefined, rowStride: vocabSize };
  if (gradient !== true) return { mode: gradient, tensor, rowStride: logitsStride };
  const rowStride = out?.rowStride ?? vocabSize;
  checkStride(rowStride, vocabSize, 'out.rowStride');
  const given = out?.gradLogits;
  if (given !== undefined) {
    if (!DeviceTensor.isDeviceTensor(given)) {
      refuse('ERR_BEAR_DEVICE_MISMATCH', 'out.gradLogits', `a tensor on ${tensor.device}, where the logits are`, given);
    }
    openOn(given, tensor.dtype, device, 'out.gradLogits');
    const least = rowsExtent(rows, vocabSize, rowStride, 'out.gradLogits');
    if (given.length < least) {
      const received = `a tensor [${given.shape.join(', ')}]`;
      fail('ERR_BEAR_OUT_TOO_SMALL', 'out.gradLogits', `at least ${least} elements`, received);
    }
    return { mode: 'out-of-place', tensor: given as DeviceTensor<DType>, rowStride };
  }
  // Elements between the rows are not written by the kernel.
  const shape = [...tensor.shape.slice(0, -1), rowStride];
  return { mode: 'out-of-place', tensor: create(shape, tensor.dtype, rowStride !== vocabSize), rowStride };
}
