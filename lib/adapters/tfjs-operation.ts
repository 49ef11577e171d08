// What the operations of the tfjs entry have in common: arguments, and their place on the tape.
import * as tf from '@tensorflow/tfjs-core';
import type { Targets } from '../loss/targets.js';
import { fail, refuse } from '../options/errors.js';
import type { Reduction } from '../options/options.js';

/** A scalar, as `optimizer.minimize` takes it; with reduction `none` the loss of each row. */
export type TfjsBearLoss<R extends Reduction> = R extends 'none' ? tf.Tensor : tf.Scalar;

/** Throws for an option that the operation sets itself. */
export function refuseDecided(options: object, decided: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'options', 'an object', options);
  }
  const name = Object.keys(options).find((each) => decided.includes(each));
  if (name === undefined) return;
  const value = (options as Record<string, unknown>)[name];
  refuse('ERR_BEAR_OPTION_UNKNOWN', name, 'no value: the operation sets it', value);
}

export function checkTensor(tensor: unknown, argument: string): asserts tensor is tf.Tensor {
  if (!(tensor instanceof tf.Tensor)) {
    const expected = 'a tensor of the @tensorflow/tfjs-core that this package resolves';
    refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, tensor);
  }
  if (tensor.dtype !== 'float32') fail('ERR_BEAR_DTYPE', argument, 'float32', tensor.dtype);
}

export function readTargets(targets: Targets | tf.Tensor): Targets {
  if (!(targets instanceof tf.Tensor)) return targets;
  if (targets.dtype !== 'int32') fail('ERR_BEAR_DTYPE', 'targets', 'int32', targets.dtype);
  return Int32Array.from(targets.dataSync());
}

/** The loss of a call as a tensor. */
export function lossTensor(loss: number | Float32Array, rowShape: number[]): tf.Tensor {
  return typeof loss === 'number' ? tf.scalar(loss) : tf.tensor(loss, rowShape);
}

/** Whether what runs now will be differentiated. */
export function isRecording(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

/**
 * Lets the tape dispose tensors when it is done, as those that `save` of `tf.customGrad` takes; but that one clones them, and
 * on the wasm backend a clone is a copy.
 */
export function handToTape(tensors: readonly tf.Tensor[]): void {
  tf.engine()
    .state.activeTape.at(-1)
    ?.saved?.push(...tensors);
}
