// The loss as an operation of TensorFlow.js.
import * as tf from '@tensorflow/tfjs-core';
import { fusedBearLoss } from '../loss/fused-bear-loss.js';
import type { BearLossResult } from '../loss/result.js';
import type { Targets } from '../loss/targets.js';
import type { BearLossOptions, Reduction } from '../options/options.js';
import { aliasOf, fillTensors, readerOf } from './tfjs-memory.js';
import {
  checkTensor,
  handToTape,
  isRecording,
  lossTensor,
  readTargets,
  refuseDecided,
  type TfjsBearLoss,
} from './tfjs-operation.js';

export {
  linearBearLoss,
  type TfjsLinearBearLossOptions,
  type TfjsLinearBearLossStatistics,
} from './tfjs-linear.js';
export type { TfjsBearLoss } from './tfjs-operation.js';
export { registerWasmTrainingKernels } from './tfjs-wasm-kernels.js';

/** What the operation decides by itself: where the gradient goes, and what it is multiplied by. */
const DECIDED = ['vocabSize', 'rowStride', 'dtype', 'gradient', 'gradOutput', 'out', 'device'] as const;

/** What the call found beside the loss. */
export type TfjsBearLossStatistics = Omit<BearLossResult, 'loss' | 'gradLogits'>;

/** The options of `fusedBearLoss`, without those that the operation sets itself. */
export interface TfjsBearLossOptions<R extends Reduction = Reduction>
  extends Omit<BearLossOptions<R>, (typeof DECIDED)[number]> {
  /** Called with pruned rate, accuracy, counts and, with `rows: true`, the row statistics, before the loss is returned. */
  onStatistics?: (statistics: TfjsBearLossStatistics) => void;
}

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
  refuseDecided(options, DECIDED);
  const { onStatistics, ...lossOptions } = options;
  checkTensor(logits, 'logits');
  const ids = readTargets(targets);
  const { shape } = logits;
  const compute = (values: Float32Array, more: BearLossOptions) =>
    fusedBearLoss({ data: values, shape }, ids, { ...(lossOptions as BearLossOptions), ...more });
  const tensorOf = (result: BearLossResult) => {
    const { loss, gradLogits: _, ...statistics } = result;
    onStatistics?.(statistics);
    return lossTensor(loss, shape.slice(0, -1));
  };
  if (!isRecording()) return tensorOf(compute(readerOf(logits).values(), { gradient: false })) as TfjsBearLoss<R>;

  const kept: tf.Tensor[] = [];
  const operation = tf.customGrad((input) => {
    const reader = readerOf(input as tf.Tensor);
    const gradientBy = (more: BearLossOptions, found: (result: BearLossResult) => void = () => {}) => {
      const [gradient] = fillTensors([shape], ([gradLogits]) => {
        found(compute(reader.values(), { ...more, out: { gradLogits: gradLogits as Float32Array } }));
      });
      return gradient as tf.Tensor;
    };
    let value: tf.Tensor | undefined;
    const gradient = gradientBy({}, (result) => {
      value = tensorOf(result);
    });
    kept.push(...reader.hold(), tf.keep(gradient));
    const gradFunc = (upstream: tf.Tensor) => {
      const gradOutput = upstream.dataSync() as Float32Array;
      if (gradOutput.every((factor) => factor === 1)) return aliasOf(gradient);
      return gradientBy({ gradOutput: upstream.rank === 0 ? (gradOutput[0] as number) : gradOutput.slice() });
    };
    return { value: value as tf.Tensor, gradFunc };
  });
  const loss = operation(logits);
  handToTape(kept);
  return loss as TfjsBearLoss<R>;
}
