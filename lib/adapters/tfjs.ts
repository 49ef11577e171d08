// The loss as an operation of TensorFlow.js.
import * as tf from '@tensorflow/tfjs-core';
import { fusedBearLoss } from '../loss/fused-bear-loss.js';
import type { BearLossResult } from '../loss/result.js';
import type { Targets } from '../loss/targets.js';
import { fail, refuse } from '../options/errors.js';
import type { BearLossOptions, Reduction } from '../options/options.js';
import { sharesWasmMemory, wasmAlias, wasmOutput, wasmView } from './tfjs-wasm-memory.js';

export { registerWasmTrainingKernels } from './tfjs-wasm-kernels.js';

/** What the operation decides by itself: where the gradient goes, and what it is multiplied by. */
type Decided = 'vocabSize' | 'rowStride' | 'dtype' | 'gradient' | 'gradOutput' | 'out' | 'device';

/** What the call found beside the loss. */
export type TfjsBearLossStatistics = Omit<BearLossResult, 'loss' | 'gradLogits'>;

/** A scalar, as `optimizer.minimize` takes it; with reduction `none` the loss of each row. */
export type TfjsBearLoss<R extends Reduction> = R extends 'none' ? tf.Tensor : tf.Scalar;

/** The options of `fusedBearLoss`, without those that the operation sets itself. */
export interface TfjsBearLossOptions<R extends Reduction = Reduction> extends Omit<BearLossOptions<R>, Decided> {
  /** Called with pruned rate, accuracy, counts and, with `rows: true`, the row statistics, before the loss is returned. */
  onStatistics?: (statistics: TfjsBearLossStatistics) => void;
}

const DECIDED: readonly string[] = [
  'vocabSize',
  'rowStride',
  'dtype',
  'gradient',
  'gradOutput',
  'out',
  'device',
] satisfies Decided[];

/**
 * The BEAR loss of logits [..., V] as a tensor that gradients flow through: a scalar, or with reduction `none` one number a
 * row, [...]. Blocks until it is done, as reading a tensor does.
 *
 * Inside `tf.grads`, `optimizer.minimize` and the like, one call of the kernel computes loss and gradient; outside, the loss
 * only. On the cpu backend it reads the logits and writes the gradient where the tensors keep them, on the wasm backend in
 * the module's heap: nothing is copied. On every other backend logits are downloaded and the gradient is uploaded. An
 * upstream gradient other than 1 goes into the kernel, which then runs once more.
 *
 * @param logits float32, [..., V]
 * @param targets the target of each row, as `fusedBearLoss` takes them, or an int32 tensor
 * @throws TypeError or RangeError as `fusedBearLoss`
 *
 * @example
 * optimizer.minimize(() => bearLoss(model.apply(batch, { training: true }), targets, { beamWidth: 10 }));
 */
export function bearLoss<R extends Reduction = 'mean'>(
  logits: tf.Tensor,
  targets: Targets | tf.Tensor,
  options: TfjsBearLossOptions<R> = {},
): TfjsBearLoss<R> {
  const { onStatistics, ...lossOptions } = checkedOptions(options);
  checkLogits(logits);
  const ids = readTargets(targets);
  const compute = (values: Float32Array, more: BearLossOptions) =>
    fusedBearLoss({ data: values, shape: logits.shape }, ids, { ...(lossOptions as BearLossOptions), ...more });
  const tensorOf = (result: BearLossResult) => {
    const { loss, gradLogits: _, ...statistics } = result;
    onStatistics?.(statistics);
    return typeof loss === 'number' ? tf.scalar(loss) : tf.tensor(loss, logits.shape.slice(0, -1));
  };
  if (!isRecording()) {
    return tensorOf(compute(memoryOf(logits).logits(), { gradient: false })) as TfjsBearLoss<R>;
  }

  const kept: tf.Tensor[] = [];
  const operation = tf.customGrad((input) => {
    const memory = memoryOf(input as tf.Tensor);
    let value: tf.Tensor | undefined;
    const gradient = memory.fill((gradLogits) => {
      value = tensorOf(compute(memory.logits(), { out: { gradLogits } }));
    });
    kept.push(...memory.hold(), tf.keep(gradient));
    const gradFunc = (upstream: tf.Tensor) => {
      const gradOutput = upstream.dataSync() as Float32Array;
      if (gradOutput.every((factor) => factor === 1)) return memory.alias(gradient);
      return memory.fill((gradLogits) => {
        const factor = upstream.rank === 0 ? (gradOutput[0] as number) : gradOutput.slice();
        compute(memory.logits(), { out: { gradLogits }, gradOutput: factor });
      });
    };
    return { value: value as tf.Tensor, gradFunc };
  });
  const loss = operation(logits);
  handToTape(kept);
  return loss as TfjsBearLoss<R>;
}

function checkedOptions<R extends Reduction>(options: TfjsBearLossOptions<R>): TfjsBearLossOptions<R> {
  if (typeof options !== 'object' || options === null) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'options', 'an object', options);
  }
  const decided = Object.keys(options).find((name) => DECIDED.includes(name));
  if (decided === undefined) return options;
  refuse(
    'ERR_BEAR_OPTION_UNKNOWN',
    decided,
    'no value: the operation sets it',
    (options as Record<string, unknown>)[decided],
  );
}

function checkLogits(logits: unknown): void {
  if (!(logits instanceof tf.Tensor)) {
    refuse(
      'ERR_BEAR_ARGUMENT_TYPE',
      'logits',
      'a tensor of the @tensorflow/tfjs-core that this package resolves',
      logits,
    );
  }
  if (logits.dtype !== 'float32') fail('ERR_BEAR_DTYPE', 'logits', 'float32', logits.dtype);
}

function readTargets(targets: Targets | tf.Tensor): Targets {
  if (!(targets instanceof tf.Tensor)) return targets;
  if (targets.dtype !== 'int32') fail('ERR_BEAR_DTYPE', 'targets', 'int32', targets.dtype);
  return Int32Array.from(targets.dataSync());
}

/** Whether what runs now will be differentiated. */
function isRecording(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

/**
 * Lets the tape dispose tensors when it is done, as those that `save` of `tf.customGrad` takes; but that one clones them, and
 * on the wasm backend a clone is a copy.
 */
function handToTape(tensors: readonly tf.Tensor[]): void {
  tf.engine()
    .state.activeTape.at(-1)
    ?.saved?.push(...tensors);
}

/** The memory of a tensor of logits and of its gradient. */
interface TensorMemory {
  /** The logits, as a view that is good until memory is allocated. */
  logits(): Float32Array;
  /** A new tensor in the shape of the logits whose numbers `write` writes. */
  fill(write: (gradient: Float32Array) => void): tf.Tensor;
  /** Another tensor of the same memory. */
  alias(tensor: tf.Tensor): tf.Tensor;
  /** Keeps the logits until the gradient was asked for, as their tensor may be disposed before: by what is returned. */
  hold(): tf.Tensor[];
}

function memoryOf(logits: tf.Tensor): TensorMemory {
  return sharesWasmMemory() ? wasmMemory(logits) : hostMemory(logits);
}

// The cpu backend gives away and takes over the arrays of its tensors; others copy from and to them.
function hostMemory(logits: tf.Tensor): TensorMemory {
  const values = logits.dataSync() as Float32Array;
  return {
    logits: () => values,
    fill: (write) => {
      const gradient = new Float32Array(logits.size);
      write(gradient);
      return tf.tensor(gradient, logits.shape, 'float32');
    },
    alias: (tensor) => tensor.clone(),
    hold: () => [],
  };
}

function wasmMemory(logits: tf.Tensor): TensorMemory {
  let held = logits;
  return {
    logits: () => wasmView(held),
    fill: (write) => {
      const gradient = wasmOutput(logits.shape);
      write(wasmView(gradient));
      return gradient;
    },
    alias: wasmAlias,
    hold: () => {
      held = tf.keep(wasmAlias(logits));
      return [held];
    },
  };
}
