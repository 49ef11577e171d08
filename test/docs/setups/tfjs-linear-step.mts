// TensorFlow.js registers its gradients in CommonJS only.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-core') as typeof import('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
require('@tensorflow/tfjs-core/dist/register_all_gradients');

export const embedding = tf.variable(tf.ones([100, 4]));
export const bias = tf.variable(tf.zeros([100]));
export const trunk = {
  apply: (inputs: ReturnType<typeof tf.ones>, _options: { training: boolean }) => tf.tanh(inputs),
};
export const optimizer = tf.train.adam(0.01);
export const batch = tf.ones([3, 4]);
export const targets = [1, 2, 3];
