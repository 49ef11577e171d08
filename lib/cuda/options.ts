// The options of calls with logits on a device: those of the main entry, and what may be on the device as well.
import { type CheckedAllowed, type CheckedOptions, OptionReader, refuseSparse } from '../options/check-options.js';
import { fail, refuse } from '../options/errors.js';
import { OPTIONS } from '../options/option-table.js';
import type {
  AllowedTokenBitmask,
  AllowedTokenLists,
  BearLossOptions,
  GradientChoice,
  Reduction,
} from '../options/options.js';
import * as rules from '../options/rules.js';
import { CudaStream } from './cuda-stream.js';
import { DeviceTensor, type TensorDType } from './device-tensor.js';

/** The constraint where its arrays are on the device. */
export type DeviceAllowedTokens =
  | { offsets: Int32Array | DeviceTensor<'int32'>; tokens: Int32Array | DeviceTensor<'int32'> }
  | { bitmask: Uint32Array | DeviceTensor<'uint32'> };

export interface DeviceGradientOutput {
  /** Takes the gradient in place of a new tensor: dtype and device of the logits, at least (N - 1) * rowStride + V elements. */
  gradLogits?: DeviceTensor;
  /** Elements from row to row, at least V, default V. Elements between the rows are left alone. */
  rowStride?: number;
}

/**
 * Options of a call whose logits are on a device. Arrays may be there as well; what is in host memory is copied before the
 * call returns.
 */
export interface DeviceBearLossOptions<
  R extends Reduction = Reduction,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> extends Omit<
    BearLossOptions<R, G, S>,
    'tokenWeights' | 'penaltyWeights' | 'allowed' | 'gradOutput' | 'out' | 'threads'
  > {
  tokenWeights?: Float32Array | DeviceTensor<'float32'>;
  penaltyWeights?: Float32Array | DeviceTensor<'float32'>;
  allowed?: AllowedTokenLists | AllowedTokenBitmask | DeviceAllowedTokens;
  gradOutput?: number | Float32Array | DeviceTensor<'float32'>;
  out?: DeviceGradientOutput;
  /** Where the work is enqueued, default the device's default stream. Of the logits' device. */
  stream?: CudaStream;
}

type Checked<D extends TensorDType, Host> = Host | DeviceTensor<D>;

/** The options after their checks. */
export type CheckedDeviceOptions = CheckedOptions<
  DeviceBearLossOptions,
  CheckedAllowed<Checked<'int32', Int32Array>, Checked<'uint32', Uint32Array>>
>;

// On which device a tensor is, and whether the call can use it there, is checked where the logits are known.
function orTensor(dtype: TensorDType, host: rules.Rule): rules.Rule {
  return (value, argument) => {
    if (!DeviceTensor.isDeviceTensor(value)) return host(value, argument);
    if (value.dtype === dtype) return value;
    fail('ERR_BEAR_DTYPE', argument, `a tensor of ${dtype}`, value.dtype);
  };
}

const stream: rules.Rule = (value, argument) => {
  if (!CudaStream.isCudaStream(value)) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, 'a CudaStream', value);
  return value;
};

const { threads: _threads, borrow: _borrow, signal: _signal, ...shared } = OPTIONS;
const weights = { ...OPTIONS.tokenWeights, check: orTensor('float32', rules.float32Array) };

const reader = new OptionReader<CheckedDeviceOptions>({
  ...shared,
  tokenWeights: weights,
  penaltyWeights: weights,
  allowed: {
    ...OPTIONS.allowed,
    check: rules.allowed(orTensor('int32', rules.int32Array), orTensor('uint32', rules.uint32Array)),
  },
  gradOutput: { ...OPTIONS.gradOutput, check: orTensor('float32', rules.gradOutput) },
  stream: { values: '`CudaStream`', check: stream, otherwise: 'default stream', meaning: 'where the work is enqueued' },
});

/** The options of calls with logits on a device. */
export function checkDeviceOptions(options?: DeviceBearLossOptions): CheckedDeviceOptions {
  const checked = reader.read(options);
  if (checked.gradient === 'sparse') refuseSparse('logits on a device');
  return checked;
}
