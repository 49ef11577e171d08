// From what the caller gave, with logits on a device, to what the addon takes.
import { NO_CONSTRAINT } from '../loss/allowed.js';
import { assertAttached, copyIndices } from '../loss/arrays.js';
import { checkStride, rowsExtent } from '../loss/logits.js';
import { lossCall } from '../loss/loss-call.js';
import { readTargets, type Targets } from '../loss/targets.js';
import type { NativeLossCall, NativeStorage, NativeStream } from '../native/binding.js';
import { deviceIndex, deviceName } from '../options/device-names.js';
import { describe, fail } from '../options/errors.js';
import { DTYPES, type DType } from '../options/options.js';
import { isArrayOf, lengthOf } from '../options/typed-arrays.js';
import { openStream } from './cuda-stream.js';
import { DeviceTensor, openOn, openStorage, type TensorDType } from './device-tensor.js';
import type { CheckedDeviceOptions } from './options.js';
import { type DeviceLogits, type DeviceOutputs, prepareDeviceOutputs } from './outputs.js';

/** Targets of logits on a device: there as well, or in host memory. */
export type DeviceTargets = Targets | DeviceTensor<'int32'>;

export interface PreparedDeviceCall {
  call: NativeLossCall<NativeStorage>;
  options: CheckedDeviceOptions;
  outputs: DeviceOutputs;
  stream: NativeStream | undefined;
  gradientArgument: string;
  allowedTokenCount: number;
}

/** Throws before anything is enqueued; then the outputs that it allocated are gone as well. */
export function prepareDeviceCall(
  tensor: DeviceTensor,
  targets: DeviceTargets,
  options: CheckedDeviceOptions,
): PreparedDeviceCall {
  const logits = readDeviceLogits(tensor, options);
  const { device, rows, vocabSize } = logits;
  const stream = options.stream && openStream(options.stream, 'stream', device);
  const onDevice = (value: DeviceTensor, dtype: TensorDType, argument: string) =>
    openOn(value, dtype, device, argument);
  const rowArray = (value: Float32Array | DeviceTensor | undefined, argument: string) =>
    value === undefined ? undefined : sized(value, 'float32', rows, 'N', argument);
  const sized = <A extends Float32Array | Int32Array | Uint32Array>(
    value: A | DeviceTensor,
    dtype: TensorDType,
    length: number,
    what: string,
    argument: string,
  ): A | NativeStorage => {
    if (!DeviceTensor.isDeviceTensor(value)) assertAttached(value, argument);
    if (lengthOfEither(value) !== length) {
      fail('ERR_BEAR_SHAPE', argument, `${what} = ${length} elements`, describeArray(value));
    }
    if (DeviceTensor.isDeviceTensor(value)) return onDevice(value, dtype, argument);
    return isArrayOf(value, 'Float32Array') ? value : (copyIndices(value, argument) as A);
  };

  const hostTargets = DeviceTensor.isDeviceTensor(targets) ? targets : readTargets(targets);
  const { allowed, gradOutput } = options;
  const { offsets, tokens, bitmask } = allowed ?? NO_CONSTRAINT;
  const entries = tokens === undefined ? 0 : lengthOfEither(tokens);
  const inputs = {
    logits: logits.storage,
    targets: sized<Int32Array>(hostTargets, 'int32', rows, 'one for each row of logits, N', 'targets'),
    tokenWeights: rowArray(options.tokenWeights, 'tokenWeights'),
    penaltyWeights: rowArray(options.penaltyWeights, 'penaltyWeights'),
    gradOutputRows: typeof gradOutput === 'number' ? undefined : rowArray(gradOutput, 'gradOutput'),
    allowed: {
      offsets: offsets && sized<Int32Array>(offsets, 'int32', rows + 1, 'N + 1', 'allowed.offsets'),
      tokens: tokens && sized<Int32Array>(tokens, 'int32', entries, 'any', 'allowed.tokens'),
      bitmask:
        bitmask &&
        sized<Uint32Array>(bitmask, 'uint32', rows * Math.ceil(vocabSize / 32), 'N * ceil(V / 32)', 'allowed.bitmask'),
    },
  };
  const outputs = prepareDeviceOutputs(logits, options, stream);
  const { gradient, loss, rows: statistics } = outputs;
  const handle = (output: DeviceTensor) => openStorage(output, 'out.gradLogits');
  const handles = (outputs: object) => Object.entries(outputs).map(([name, output]) => [name, handle(output)]);
  const call = lossCall<NativeStorage>(
    options,
    { device, rows, vocabSize, rowStride: logits.rowStride, dtype: logits.tensor.dtype, threads: 0 },
    inputs,
    {
      gradientMode: outputs.gradientMode,
      gradLogits: gradient && handle(gradient),
      gradRowStride: outputs.gradientRowStride,
      gradIsNew: true,
      rowLosses: options.reduction === 'none' ? handle(loss) : undefined,
      rows: statistics && Object.fromEntries(handles(statistics)),
    },
  );
  const gradientArgument = options.out?.gradLogits === undefined ? 'logits' : 'out.gradLogits';
  return { call, options, outputs, stream, gradientArgument, allowedTokenCount: entries };
}

function lengthOfEither(value: Float32Array | Int32Array | Uint32Array | DeviceTensor): number {
  return DeviceTensor.isDeviceTensor(value) ? value.length : lengthOf(value);
}

function readDeviceLogits(tensor: DeviceTensor, options: CheckedDeviceOptions): DeviceLogits {
  const storage = openStorage(tensor, 'logits');
  const device = deviceIndex(tensor.device);
  if (!DTYPES.includes(tensor.dtype as DType) || (options.dtype ?? tensor.dtype) !== tensor.dtype) {
    fail('ERR_BEAR_DTYPE', 'logits', `a tensor of ${options.dtype ?? DTYPES.join(', ')}`, tensor.dtype);
  }
  checkDeviceOption(options, device);
  const columns = tensor.shape.at(-1);
  if (columns === undefined) fail('ERR_BEAR_SHAPE', 'logits', 'a tensor [..., V]', '[]');
  const rows = columns === 0 ? 0 : tensor.length / columns;
  const vocabSize = options.vocabSize ?? columns;
  const rowStride = options.rowStride ?? columns;
  if (vocabSize < 1) fail('ERR_BEAR_SHAPE', 'vocabSize', 'at least 1 token', '0');
  checkStride(rowStride, vocabSize, 'rowStride');
  if (rowStride !== columns) {
    fail('ERR_BEAR_SHAPE', 'rowStride', `the last dimension of the logits, ${columns}`, String(rowStride));
  }
  rowsExtent(rows, vocabSize, rowStride, 'logits');
  return { tensor: tensor as DeviceTensor<DType>, storage, device, rows, vocabSize, rowStride };
}

/** `auto` is where the logits are, and so is `cuda`, which names no device. */
function checkDeviceOption({ device }: CheckedDeviceOptions, actual: number): void {
  if (device === 'auto' || device === 'cuda' || deviceIndex(device) === actual) return;
  const expected = `'auto' or '${deviceName(actual)}', where the logits are`;
  fail('ERR_BEAR_DEVICE_MISMATCH', 'device', expected, `'${device}'`);
}

function describeArray(value: ArrayBufferView | DeviceTensor): string {
  if (!DeviceTensor.isDeviceTensor(value)) return describe(value);
  return `a tensor [${value.shape.join(', ')}]`;
}
