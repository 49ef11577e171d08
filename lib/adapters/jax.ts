// The loss in a training step of jax-js, which has no custom gradients: two phases around the kernel.
import { fusedBearLoss } from '../loss/fused-bear-loss.js';
import type { BearLossResult } from '../loss/result.js';
import type { Targets } from '../loss/targets.js';
import type { BearLossOptions, Reduction } from '../options/options.js';

/** What is used of an array of jax-js. */
export interface JaxArray {
  readonly shape: readonly number[];
  mul(other: never): JaxArray;
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

/** What one step found: the result of `fusedBearLoss`, with the gradient by the parameters in place of that by the logits. */
export type JaxStepResult<Parameters, R extends Reduction = Reduction> = Omit<BearLossResult<R>, 'gradLogits'> & {
  /** In the structure of the parameters; yours to use or to dispose. */
  gradients: Parameters;
};

export interface JaxBearLossStep<Parameters, Batch, R extends Reduction = Reduction> {
  /**
   * Loss and gradient of one batch. Consumes nothing: parameters and batch are as good afterwards as before.
   *
   * @param options replace those that the step was made with, as `allowed` of each batch does
   * @throws (as a rejected promise) TypeError or RangeError as `fusedBearLoss`
   */
  (
    parameters: Parameters,
    batch: Batch,
    targets: Targets,
    options?: JaxBearLossOptions<R>,
  ): Promise<JaxStepResult<Parameters, R>>;
  /** Frees what the compiled functions hold, after the last step. */
  dispose(): void;
}

type Compiled<Arguments extends unknown[], Result> = ((...args: Arguments) => Result) & { dispose?: () => void };

/**
 * Makes a training step of a model in jax-js. The first phase computes the logits; the kernel computes the loss and its
 * gradient g by the logits, in place; the second phase differentiates `sum(logits * g)` with g as a constant, whose gradient
 * by the parameters is that of the loss. Both phases are compiled by `jit`, once for each shape.
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
  const { jit, grad, numpy, tree } = jax as {
    jit<Arguments extends unknown[], Result>(f: (...args: Arguments) => Result): Compiled<Arguments, Result>;
    grad<First, Rest extends unknown[]>(
      f: (first: First, ...rest: Rest) => JaxArray,
    ): (first: First, ...rest: Rest) => First;
    numpy: { array(values: Float32Array): JaxArray };
    tree: { ref<Tree>(tree: Tree): Tree };
  };
  const forward = jit(logitsOf);
  const surrogate = (parameters: Parameters, batch: Batch, gradLogits: JaxArray) =>
    logitsOf(parameters, batch)
      .mul(gradLogits as never)
      .sum();
  const backward = jit(grad(surrogate));

  const step = async (
    parameters: Parameters,
    batch: Batch,
    targets: Targets,
    overrides?: JaxBearLossOptions<R>,
  ): Promise<JaxStepResult<Parameters, R>> => {
    const logits = forward(tree.ref(parameters), tree.ref(batch));
    const shape = [...logits.shape];
    const data = (await logits.data()) as Float32Array;
    const { gradLogits, ...result } = fusedBearLoss({ data, shape }, targets, {
      ...options,
      ...overrides,
      gradient: 'in-place',
    } as BearLossOptions);
    const constant = numpy.array(gradLogits as Float32Array).reshape(shape);
    const gradients = backward(tree.ref(parameters), tree.ref(batch), constant);
    return { ...result, gradients } as unknown as JaxStepResult<Parameters, R>;
  };
  const dispose = () => {
    forward.dispose?.();
    backward.dispose?.();
  };
  return Object.assign(step, { dispose });
}
