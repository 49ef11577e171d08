// The loss in a training step of jax-js, which has no custom gradients: two phases around the kernel.
import { fusedLinearBearLoss } from '../linear/fused-linear-bear-loss.js';
import type { LinearBearLossOptions } from '../linear/options.js';
import type { LinearBearLossResult } from '../linear/result.js';
import { fusedBearLoss } from '../loss/fused-bear-loss.js';
import type { BearLossResult } from '../loss/result.js';
import type { Targets } from '../loss/targets.js';
import type { BearLossOptions, Reduction } from '../options/options.js';

/** What is used of an array of jax-js. */
export interface JaxArray {
  readonly shape: readonly number[];
  mul(other: never): JaxArray;
  add(other: never): JaxArray;
  sum(): JaxArray;
  reshape(shape: number[]): JaxArray;
  dispose(): void;
  data(): Promise<ArrayBufferView>;
}

/**
 * What is used of `@jax-js/jax`: pass the module itself. It is an argument, since its CommonJS and its ES build are two
 * libraries that do not take each other's arrays.
 */
export interface Jax {
  jit(f: never): unknown;
  grad(f: never): unknown;
  numpy: { array(values: never): JaxArray };
  tree: { ref(tree: never): unknown };
}

/** The options of `fusedBearLoss`, without those that the step sets itself. */
export type JaxBearLossOptions<R extends Reduction = Reduction> = Omit<
  BearLossOptions<R>,
  'vocabSize' | 'rowStride' | 'dtype' | 'gradient' | 'out' | 'device'
>;

/** The options of `fusedLinearBearLoss`, without those that the step sets itself. */
export type JaxLinearBearLossOptions<R extends Reduction = Reduction> = Omit<
  LinearBearLossOptions<R>,
  'vocabSize' | 'hiddenSize' | 'dtype' | 'bias' | 'needs' | 'accumulate' | 'sparseWeightGradient' | 'out'
>;

/** What one step found: the result of `fusedBearLoss`, with the gradient by the parameters in place of that by the logits. */
export type JaxStepResult<Parameters, R extends Reduction = Reduction> = Omit<BearLossResult<R>, 'gradLogits'> & {
  /** In the structure of the parameters; yours to use or to dispose. */
  gradients: Parameters;
};

interface JaxStep<Parameters, Batch, R extends Reduction, Options> {
  /**
   * Loss and gradient of one batch. Consumes nothing: parameters and batch are as good afterwards as before.
   *
   * @param options replace those that the step was made with, as `allowed` of each batch does
   * @throws (as a rejected promise) TypeError or RangeError as the loss
   */
  (parameters: Parameters, batch: Batch, targets: Targets, options?: Options): Promise<JaxStepResult<Parameters, R>>;
  /** Frees what the compiled functions hold, after the last step. */
  dispose(): void;
}

export type JaxBearLossStep<Parameters, Batch, R extends Reduction = Reduction> = JaxStep<
  Parameters,
  Batch,
  R,
  JaxBearLossOptions<R>
>;

export type JaxLinearBearLossStep<Parameters, Batch, R extends Reduction = Reduction> = JaxStep<
  Parameters,
  Batch,
  R,
  JaxLinearBearLossOptions<R>
>;

/** What a model hands to the linear form; float32. */
export interface JaxLinearFactors {
  /** [..., H] */
  hidden: JaxArray;
  /** [V, H] */
  weight: JaxArray;
  /** [V], added to the logits. Default: none. */
  bias?: JaxArray;
}

type Compiled<Arguments extends unknown[], Result> = ((...args: Arguments) => Result) & { dispose?: () => void };

/** What is used of jax-js, with its types. */
interface TypedJax {
  jit<Arguments extends unknown[], Result>(f: (...args: Arguments) => Result): Compiled<Arguments, Result>;
  grad<First, Rest extends unknown[]>(
    f: (first: First, ...rest: Rest) => JaxArray,
  ): (first: First, ...rest: Rest) => First;
  numpy: { array(values: Float32Array): JaxArray };
  tree: { ref<Tree>(tree: Tree): Tree };
}

/** Arrays of a model by name, and on the host. */
type Arrays = Readonly<Record<string, JaxArray>>;
type HostArrays = Readonly<Record<string, { data: Float32Array; shape: readonly number[] }>>;

/**
 * A step in two phases. The first computes what the model hands to the loss; `lossOf` computes the loss and, by the same
 * names, the gradients g of these arrays; the second phase differentiates the sum of all `array * g`, with g as constants,
 * whose gradient by the parameters is that of the loss. Both phases are compiled by `jit`, once for each shape.
 */
function stepInTwoPhases<Parameters, Batch, R extends Reduction, Options>(
  jax: Jax,
  modelOf: (parameters: Parameters, batch: Batch) => Arrays,
  lossOf: (
    arrays: HostArrays,
    targets: Targets,
    overrides: Options | undefined,
  ) => { result: object; gradients: Readonly<Record<string, Float32Array>> },
): JaxStep<Parameters, Batch, R, Options> {
  const { jit, grad, numpy, tree } = jax as TypedJax;
  const forward = jit(modelOf);
  const surrogate = (parameters: Parameters, batch: Batch, constants: Arrays) => {
    const arrays = modelOf(parameters, batch);
    const sums = Object.entries(constants).map(([name, constant]) =>
      (arrays[name] as JaxArray).mul(constant as never).sum(),
    );
    return sums.reduce((total, sum) => total.add(sum as never));
  };
  const backward = jit(grad(surrogate));

  const step = async (parameters: Parameters, batch: Batch, targets: Targets, overrides?: Options) => {
    const computed = Object.entries(forward(tree.ref(parameters), tree.ref(batch)));
    const arrays: HostArrays = Object.fromEntries(
      await Promise.all(
        computed.map(async ([name, array]) => {
          const shape = [...array.shape];
          return [name, { shape, data: (await array.data()) as Float32Array }] as const;
        }),
      ),
    );
    const { result, gradients } = lossOf(arrays, targets, overrides);
    const constants = Object.fromEntries(
      computed.map(([name]) => {
        const shape = [...(arrays[name] as HostArrays[string]).shape];
        return [name, numpy.array(gradients[name] as Float32Array).reshape(shape)];
      }),
    );
    const found = { ...result, gradients: backward(tree.ref(parameters), tree.ref(batch), constants) };
    return found as unknown as JaxStepResult<Parameters, R>;
  };
  const dispose = () => {
    forward.dispose?.();
    backward.dispose?.();
  };
  return Object.assign(step, { dispose });
}

/**
 * Makes a training step of a model in jax-js. The kernel replaces the logits by their gradient, in place.
 *
 * @param jax the module `@jax-js/jax`
 * @param logitsOf the model: float32 logits [..., V] of parameters and batch, both arrays or trees of arrays. Consumes its
 *   arguments, as functions for `jit` do.
 * @param options of every step
 * @throws TypeError or RangeError as `fusedBearLoss`, from the step
 *
 * @example
 * const step = bearLossStep(jax, logitsOf, { beamWidth: 10 });
 * const { loss, gradients } = await step(parameters, batch, targets);
 */
export function bearLossStep<Parameters, Batch, R extends Reduction = 'mean'>(
  jax: Jax,
  logitsOf: (parameters: Parameters, batch: Batch) => JaxArray,
  options: JaxBearLossOptions<R> = {},
): JaxBearLossStep<Parameters, Batch, R> {
  return stepInTwoPhases(
    jax,
    (parameters: Parameters, batch: Batch) => ({ logits: logitsOf(parameters, batch) }),
    ({ logits }, targets, overrides) => {
      const { gradLogits, ...result } = fusedBearLoss(logits as HostArrays[string], targets, {
        ...options,
        ...overrides,
        gradient: 'in-place',
      } as BearLossOptions);
      return { result, gradients: { logits: gradLogits as Float32Array } };
    },
  );
}

/**
 * Makes a training step of a model in jax-js whose logits are `hidden weight^T + bias`. They are never in memory together,
 * as in `fusedLinearBearLoss`, and jax-js computes none of the three products.
 *
 * @param jax the module `@jax-js/jax`
 * @param factorsOf the model without its last layer: hidden states, weights and perhaps a bias, of parameters and batch.
 *   Consumes its arguments, as functions for `jit` do.
 * @param options of every step
 * @throws TypeError or RangeError as `fusedLinearBearLoss`, from the step
 *
 * @example
 * const step = linearBearLossStep(jax, factorsOf, { beamWidth: 10 }); // of parameters and batch: { hidden, weight }
 * const { loss, gradients } = await step(parameters, batch, targets);
 */
export function linearBearLossStep<Parameters, Batch, R extends Reduction = 'mean'>(
  jax: Jax,
  factorsOf: (parameters: Parameters, batch: Batch) => JaxLinearFactors,
  options: JaxLinearBearLossOptions<R> = {},
): JaxLinearBearLossStep<Parameters, Batch, R> {
  return stepInTwoPhases(
    jax,
    (parameters: Parameters, batch: Batch): Arrays => {
      const { hidden, weight, bias } = factorsOf(parameters, batch);
      return bias === undefined ? { hidden, weight } : { hidden, weight, bias };
    },
    ({ hidden, weight, bias }, targets, overrides) => {
      const { gradHidden, gradWeight, gradBias, ...result } = fusedLinearBearLoss(
        hidden as HostArrays[string],
        weight as HostArrays[string],
        targets,
        {
          ...options,
          ...overrides,
          ...(bias === undefined ? {} : { bias: bias.data }),
          needs: bias === undefined ? ['hidden', 'weight'] : ['hidden', 'weight', 'bias'],
        } as LinearBearLossOptions,
      ) as LinearBearLossResult;
      const gradients = { hidden: gradHidden, weight: gradWeight, bias: gradBias };
      return { result, gradients: gradients as Record<string, Float32Array> };
    },
  );
}
