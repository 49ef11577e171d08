// Loss and gradient by the logits of 256 x 32000: this package beside the cross-entropy of TensorFlow.js on its wasm backend.
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { fusedBearLoss, fusedBearLossAsync } from 'fused-bear-loss';

const [ROWS, VOCAB] = [256, 32000];

/** Milliseconds of each call after the first, by name. */
export async function measureTimes(rounds, peerRounds) {
  const data = Float32Array.from({ length: ROWS * VOCAB }, (_, i) => 3 * Math.sin(12.9898 * i) + Math.sin(78.233 * i));
  const targets = Int32Array.from({ length: ROWS }, (_, row) => (row * 977) % VOCAB);
  const logits = { data, shape: [ROWS, VOCAB] };
  const out = { gradLogits: new Float32Array(ROWS * VOCAB) };
  setWasmPaths('/tfjs/');
  await tf.setBackend('wasm');
  const tensor = tf.tensor2d(data, [ROWS, VOCAB]);
  const crossEntropy = (x) => {
    const oneHot = tf.oneHot(tf.tensor1d(targets, 'int32'), VOCAB);
    return tf.div(tf.sum(tf.mul(tf.logSoftmax(x), oneHot)), -ROWS);
  };
  return {
    bear: await timesOf(rounds, () => fusedBearLoss(logits, targets, { out })),
    bearAsync: await timesOf(rounds, () => fusedBearLossAsync(logits, targets, { out })),
    crossEntropy: await timesOf(rounds, () => fusedBearLoss(logits, targets, { penalty: 'none', out })),
    tfjsCrossEntropy: await timesOf(peerRounds, () => tf.tidy(() => void tf.grad(crossEntropy)(tensor))),
  };
}

async function timesOf(rounds, call) {
  const times = [];
  for (let round = 0; round <= rounds; round++) {
    const started = performance.now();
    await call();
    if (round > 0) times.push(performance.now() - started);
  }
  return times;
}
