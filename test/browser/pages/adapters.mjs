// Loss and gradient of the logits [1, 0, 2, 1] with target 1, in each framework.
import * as jax from '@jax-js/jax';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { bearLossStep } from 'fused-bear-loss/jax';
import { bearLoss } from 'fused-bear-loss/tfjs';

const LOGITS = [1, 0, 2, 1];
const options = { beamWidth: 2 };

export async function inTensorFlow() {
  await tf.setBackend('cpu');
  const { value, grad } = tf.valueAndGrad((logits) => bearLoss(logits, [1], options))(tf.tensor2d([LOGITS]));
  return { loss: value.dataSync()[0], gradient: [...grad.dataSync()] };
}

export async function inJax() {
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  const step = bearLossStep(jax, (parameters, input) => parameters.add(input), options);
  const row = (values) => jax.numpy.array(values).reshape([1, 4]);
  const { loss, gradients } = await step(row(LOGITS), row([0, 0, 0, 0]), [1]);
  return { loss, gradient: [...(await gradients.data())] };
}
