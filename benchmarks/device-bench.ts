// npm run bench -- --device cuda: what the loss costs on a GPU, as a share of the bandwidth that a copy on it reaches.
// Only the package's public names. A batch of runs is enqueued and waited for, so that what a call costs the host is
// hidden behind the device's work as it is in training; where it is not, because the shape is small, it counts.
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { type CudaDevice, capabilities, fusedBearLoss } from 'fused-bear-loss';
import {
  type CudaDeviceName,
  CudaStream,
  type DeviceBearLossOptions,
  DeviceTensor,
  fusedBearLoss as deviceLoss,
} from 'fused-bear-loss/cuda';
import { bytesPerElement, dtypes, type LossName, losses, type Pass, passes, type Shape, shapeName } from './cases';
import { percentile, time } from './harness';
import { describeMachine, type Machine } from './machine';
import type { BenchDType } from './native';
import { fillNormal, seed, toBFloat16, uniformGenerator } from './random-logits';

export const quickDeviceShapes: Shape[] = [{ rows: 3, vocabSize: 4096 }];

export interface DeviceBenchOptions {
  device: CudaDeviceName;
  shapes: Shape[];
  filter: RegExp;
  /** Timed batches of each case. */
  batches: number;
  /** Calls of a batch, each on logits of its own. */
  batchSize: number;
}

export interface DeviceCase {
  name: string;
  shape: Shape;
  dtype: BenchDType;
  pass: Pass | 'out of place, host arrays';
  loss: LossName;
  /** Of one call, in milliseconds: the mean of each batch, in the order measured. */
  samples: number[];
  percentile10: number;
  median: number;
  /** Bytes that any implementation must move, by the 10th percentile. */
  gigabytesPerSecond: number;
  shareOfCopyCeiling: number;
}

export interface DeviceResults {
  machine: Machine;
  device: CudaDevice;
  settings: { batches: number; batchSize: number; seed: number };
  /** Read and written together, by the 10th percentile. */
  copyCeiling: { bytes: number; milliseconds: number; gigabytesPerSecond: number };
  cases: DeviceCase[];
}

/** Throws the package's own error where the device cannot be used. */
export function runDeviceBenchmark(options: DeviceBenchOptions): DeviceResults {
  const stream = CudaStream.create(options.device);
  const device = capabilities().cuda.devices.find(({ index }) => `cuda:${index}` === stream.device) as CudaDevice;
  const copyCeiling = measureCopyCeiling(options, stream);
  const names = listDeviceCases(options);
  const bar = new SingleBar({ format: '{bar} {value}/{total}  {case}', clearOnComplete: true });
  bar.start(names.length, 0, { case: '' });
  const cases = names.map((each, index) => {
    bar.update(index, { case: each.name });
    return measureCase(each, options, stream, copyCeiling.gigabytesPerSecond);
  });
  bar.stop();
  stream.dispose();
  const { batches, batchSize } = options;
  const machine = describeMachine(capabilities());
  return { machine, device, settings: { batches, batchSize, seed }, copyCeiling, cases };
}

type PlannedCase = Pick<DeviceCase, 'name' | 'shape' | 'dtype' | 'pass' | 'loss'>;

function listDeviceCases({ shapes, filter }: DeviceBenchOptions): PlannedCase[] {
  const planned = shapes.flatMap((shape) =>
    dtypes.flatMap((dtype) => [
      ...passes.flatMap((pass) => (Object.keys(losses) as LossName[]).map((loss) => ({ shape, dtype, pass, loss }))),
      { shape, dtype, pass: 'out of place, host arrays' as const, loss: 'BEAR' as const },
    ]),
  );
  return planned
    .map((each) => ({ ...each, name: `${shapeName(each.shape)}, ${each.dtype}, ${each.pass}, ${each.loss}` }))
    .filter(({ name }) => filter.test(name));
}

/** What the card moves when it does nothing else: the device's own copy of the largest shape's logits. */
function measureCopyCeiling({ shapes, batches, batchSize, device }: DeviceBenchOptions, stream: CudaStream) {
  const length = Math.max(...shapes.map(({ rows, vocabSize }) => rows * vocabSize));
  const source = DeviceTensor.allocate([length], 'bfloat16', device);
  const target = DeviceTensor.allocate([length], 'bfloat16', device);
  const batch = () => {
    for (let run = 0; run < batchSize; ++run) target.copyFrom(source, stream);
    stream.synchronize();
  };
  batch();
  const samples = Array.from({ length: batches }, () => time(batch) / batchSize);
  const bytes = 2 * source.byteLength;
  source.dispose();
  target.dispose();
  const milliseconds = percentile(samples, 0.1);
  return { bytes, milliseconds, gigabytesPerSecond: bytes / milliseconds / 1e6 };
}

function measureCase(
  { name, shape, dtype, pass, loss }: PlannedCase,
  { batches, batchSize, device }: DeviceBenchOptions,
  stream: CudaStream,
  ceiling: number,
): DeviceCase {
  const { rows, vocabSize } = shape;
  const { logits, targets } = drawProblem(shape, dtype);
  const pristine = DeviceTensor.fromHost(logits, [rows, vocabSize], dtype, device);
  const onHost = pass === 'out of place, host arrays';
  // In place a run finds the gradient of the one before, so each run of a batch has logits of its own.
  const copies = Array.from({ length: pass === 'in place' ? batchSize : 1 }, () =>
    DeviceTensor.allocate([rows, vocabSize], dtype, device),
  );
  const gradient = DeviceTensor.allocate(pass === 'out of place' ? [rows, vocabSize] : [0], dtype, device);
  const targetTensor = DeviceTensor.fromHost(targets, [rows], 'int32', device);
  const gradientOptions = {
    forward: { gradient: false },
    'out of place': { out: { gradLogits: gradient } },
    'in place': { gradient: 'in-place' },
  } as const;
  const runOnce = (run: number) => {
    if (onHost) {
      fusedBearLoss({ data: logits as Float32Array, shape: [rows, vocabSize], dtype }, targets, {
        ...losses[loss],
        device,
      });
      return;
    }
    const own = copies[run % copies.length] as DeviceTensor<BenchDType>;
    const callOptions: DeviceBearLossOptions = { ...losses[loss], ...gradientOptions[pass], stream };
    deviceLoss(own, targetTensor, callOptions).dispose();
  };
  const batch = () => {
    for (let run = 0; run < batchSize; ++run) runOnce(run);
    stream.synchronize();
  };
  const prepare = () => {
    for (const copy of copies) copy.copyFrom(pristine, stream);
    stream.synchronize();
  };
  prepare();
  batch();
  const samples = Array.from({ length: batches }, () => {
    prepare();
    return time(batch) / batchSize;
  });
  for (const tensor of [pristine, gradient, targetTensor, ...copies]) tensor.dispose();

  const percentile10 = percentile(samples, 0.1);
  const bytes = rows * vocabSize * bytesPerElement(dtype) * (pass === 'forward' ? 1 : 2);
  const gigabytesPerSecond = bytes / percentile10 / 1e6;
  const median = percentile(samples, 0.5);
  const shareOfCopyCeiling = gigabytesPerSecond / ceiling;
  return { name, shape, dtype, pass, loss, samples, percentile10, median, gigabytesPerSecond, shareOfCopyCeiling };
}

function drawProblem({ rows, vocabSize }: Shape, dtype: BenchDType) {
  const uniform = uniformGenerator(seed);
  const targets = Int32Array.from({ length: rows }, () => Math.floor(uniform() * vocabSize));
  // One block of normal numbers again and again: drawing half a billion of them would take longer than the benchmark.
  const block = new Float32Array(Math.min(rows * vocabSize, 2 ** 20 + 1));
  fillNormal(block, 3, uniform);
  const logits = new Float32Array(rows * vocabSize);
  for (let start = 0; start < logits.length; start += block.length) {
    logits.set(block.subarray(0, Math.min(block.length, logits.length - start)), start);
  }
  return { logits: dtype === 'float32' ? logits : toBFloat16(logits), targets };
}

export function formatDeviceReport({ device, copyCeiling, cases, settings }: DeviceResults): string {
  const table = new Table({
    head: ['case', 'ms, 10th percentile (median)', 'GB/s', 'of the copy ceiling'],
    style: { head: [], border: [], compact: true },
  });
  for (const each of cases) {
    table.push([
      each.name,
      `${each.percentile10.toFixed(3)} (${each.median.toFixed(3)})`,
      each.gigabytesPerSecond.toFixed(0),
      `${(100 * each.shareOfCopyCeiling).toFixed(1)} %`,
    ]);
  }
  return [
    `${device.name} (cuda:${device.index}, compute capability ${device.computeCapability})`,
    `Copy ceiling: ${copyCeiling.gigabytesPerSecond.toFixed(0)} GB/s, read and written together`,
    `${settings.batches} batches of ${settings.batchSize} calls each. GB/s: logits once, and gradient once where there is one.`,
    table.toString(),
  ].join('\n');
}
