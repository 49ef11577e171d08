// TensorFlow.js registers its gradients in CommonJS only.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-core') as typeof import('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
require('@tensorflow/tfjs-core/dist/register_all_gradients');

const weights = tf.variable(tf.ones([4, 100]));
export const model = {
  apply: (inputs: ReturnType<typeof tf.ones>, _options: { training: boolean }) => tf.matMul(inputs, weights),
};
export const optimizer = tf.train.adam(0.01);
export const batch = tf.ones([3, 4]);
export const targets = [1, 2, 3];
