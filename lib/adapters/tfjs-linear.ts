// The linear form as an operation of TensorFlow.js: gradients flow through hidden states, weights and biases.
import * as tf from '@tensorflow/tfjs-core';
import { fusedLinearBearLoss } from '../linear/fused-linear-bear-loss.js';
import {
  type BiasedTokenLists,
  gradientName,
  type LinearBearLossOptions,
  type LinearNeed,
  type LinearOutput,
} from '../linear/options.js';
import type { LinearBearLossResult } from '../linear/result.js';
import type { Targets } from '../loss/targets.js';
import type { Reduction } from '../options/options.js';
import { aliasOf, fillTensors, readerOf, type TensorReader } from './tfjs-memory.js';
import {
  checkTensor,
  handToTape,
  isRecording,
  lossTensor,
  readTargets,
  refuseDecided,
  type TfjsBearLoss,
} from './tfjs-operation.js';

/** What the operation decides by itself, or takes from the tensors. */
const DECIDED = [
  'vocabSize',
  'hiddenSize',
  'dtype',
  'needs',
  'gradOutput',
  'accumulate',
  'sparseWeightGradient',
  'out',
] as const;

type Gradients = 'gradHidden' | 'gradWeight' | 'gradBias' | 'gradAllowedBias';

/** What the call found beside the loss. */
export type TfjsLinearBearLossStatistics = Omit<LinearBearLossResult, 'loss' | Gradients>;

/** The options of `fusedLinearBearLoss`, without those that the operation sets itself. Biases are tensors. */
export interface TfjsLinearBearLossOptions<R extends Reduction = Reduction>
  extends Omit<LinearBearLossOptions<R>, (typeof DECIDED)[number] | 'bias' | 'allowed'> {
  /** [V], added to the logits. Default: none. */
  bias?: tf.Tensor;
  /** As in `fusedLinearBearLoss`; the bias of the entries of lists is a tensor. */
  allowed?: (Omit<BiasedTokenLists, 'bias'> & { bias?: tf.Tensor }) | { bitmask: Uint32Array };
  /** Called with pruned rate, accuracy, counts and, with `rows: true`, the row statistics, before the loss is returned. */
  onStatistics?: (statistics: TfjsLinearBearLossStatistics) => void;
}

/** A tensor that gradients flow through. */
interface Input {
  need: LinearNeed;
  tensor: tf.Tensor;
}

/**
 * The BEAR loss of the logits `hidden weight^T + bias` as a tensor that gradients flow through: those of hidden, weight,
 * bias and the bias of list entries. The logits are never in memory together, as in `fusedLinearBearLoss`. Returns a scalar,
 * or with reduction `none` one number a row, [...].
 *
 * Inside `tf.grads`, `optimizer.minimize` and the like, one call computes loss and gradients; outside, the loss only. With
 * reduction `none` the gradients are computed when they are asked for, so the logits are computed twice. Tensors are read and
 * written as by `bearLoss`: on the cpu and the wasm backend nothing is copied.
 *
 * @param hidden float32, [..., H]
 * @param weight float32, [V, H]: an embedding as it is, the kernel of a dense layer transposed
 * @param targets the target of each row, as `fusedBearLoss` takes them, or an int32 tensor
 * @throws TypeError or RangeError as `fusedLinearBearLoss`
 *
 * @example
 * optimizer.minimize(() => linearBearLoss(trunk.apply(batch, { training: true }), embedding, targets, { bias }));
 */
export function linearBearLoss<R extends Reduction = 'mean'>(
  hidden: tf.Tensor,
  weight: tf.Tensor,
  targets: Targets | tf.Tensor,
  options: TfjsLinearBearLossOptions<R> = {},
): TfjsBearLoss<R> {
  refuseDecided(options, DECIDED);
  const { onStatistics, bias, allowed, ...rest } = options;
  const allowedBias = (allowed as { bias?: tf.Tensor } | undefined)?.bias;
  const inputs = checkedInputs({ hidden, weight, bias, allowedBias });
  const ids = readTargets(targets);
  const isPerRow = (rest as LinearBearLossOptions).reduction === 'none';

  const compute = (readers: readonly TensorReader[], more: LinearBearLossOptions) => {
    const values = new Map(inputs.map(({ need }, index) => [need, (readers[index] as TensorReader).values()]));
    const lists = allowedBias === undefined ? allowed : { ...allowed, bias: values.get('allowedBias') };
    return fusedLinearBearLoss(
      { data: values.get('hidden') as Float32Array, shape: hidden.shape },
      { data: values.get('weight') as Float32Array, shape: weight.shape },
      ids,
      {
        ...(rest as LinearBearLossOptions),
        ...(bias ? { bias: values.get('bias') } : {}),
        ...(lists === undefined ? {} : { allowed: lists }),
        ...more,
      } as LinearBearLossOptions,
    ) as LinearBearLossResult;
  };
  const gradientsBy = (
    readers: readonly TensorReader[],
    more: LinearBearLossOptions,
    found: (result: LinearBearLossResult) => void = () => {},
  ) =>
    fillTensors(
      inputs.map(({ tensor }) => tensor.shape),
      (views) => {
        const out = Object.fromEntries(inputs.map(({ need }, index) => [gradientName(need), views[index]]));
        found(compute(readers, { ...more, out: out as LinearOutput }));
      },
    );
  const tensorOf = (result: LinearBearLossResult) => {
    const { loss, gradHidden: _, gradWeight: __, gradBias: ___, gradAllowedBias: ____, ...statistics } = result;
    onStatistics?.(statistics as TfjsLinearBearLossStatistics);
    return lossTensor(loss as number | Float32Array, hidden.shape.slice(0, -1));
  };
  const lossOnly = (readers: readonly TensorReader[]) => tensorOf(compute(readers, { needs: [] }));
  const tensors = inputs.map(({ tensor }) => tensor);
  if (!isRecording()) return lossOnly(tensors.map(readerOf)) as TfjsBearLoss<R>;

  const kept: tf.Tensor[] = [];
  const operation = tf.customGrad((...given) => {
    const readers = tensors.map((_, index) => readerOf(given[index] as tf.Tensor));
    if (isPerRow) {
      const value = lossOnly(readers);
      kept.push(...readers.flatMap((reader) => reader.hold()));
      const gradFunc = (upstream: tf.Tensor) =>
        gradientsBy(readers, { gradOutput: (upstream.dataSync() as Float32Array).slice() });
      return { value, gradFunc };
    }
    let value: tf.Tensor | undefined;
    const gradients = gradientsBy(readers, {}, (result) => {
      value = tensorOf(result);
    });
    kept.push(...gradients.map((gradient) => tf.keep(gradient)));
    // A product with the factor costs less than another call.
    const gradFunc = (upstream: tf.Tensor) =>
      upstream.dataSync()[0] === 1
        ? gradients.map(aliasOf)
        : gradients.map((gradient) => tf.mul(gradient, upstream) as tf.Tensor);
    return { value: value as tf.Tensor, gradFunc };
  });
  const loss = operation(...tensors);
  handToTape(kept);
  return loss as TfjsBearLoss<R>;
}

const ARGUMENTS: Record<LinearNeed, string> = {
  hidden: 'hidden',
  weight: 'weight',
  bias: 'bias',
  allowedBias: 'allowed.bias',
};

function checkedInputs(given: Record<LinearNeed, unknown>): Input[] {
  return (Object.keys(ARGUMENTS) as LinearNeed[]).flatMap((need) => {
    const tensor = given[need];
    if (tensor === undefined && need !== 'hidden' && need !== 'weight') return [];
    checkTensor(tensor, ARGUMENTS[need]);
    return [{ need, tensor }];
  });
}
