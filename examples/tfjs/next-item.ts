// A small recommender in TensorFlow.js: the next item of a walk, learned with the BEAR loss on the wasm backend.
//
//   npx tsx examples/tfjs/next-item.ts [--seconds 60] [--backend wasm|cpu] [--smoke]

import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
// Of the packages of TensorFlow.js only '@tensorflow/tfjs' does this by itself.
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { bearLoss, registerWasmTrainingKernels, type TfjsBearLossStatistics } from 'fused-bear-loss/tfjs';
import { Walks } from '../support/walks.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    backend: { type: 'string', default: 'wasm' },
    smoke: { type: 'boolean', default: false },
  },
});

const BEAM_WIDTH = 10;
const HISTORY = 4;
const DIMENSION = 32;
const BATCH = 256;
const ITEMS = values.smoke ? 200 : 5000;

async function main(): Promise<void> {
  await tf.setBackend(values.backend);
  // Without these an embedding does not train on this backend, and matrix products train slowly.
  if (values.backend === 'wasm') registerWasmTrainingKernels();

  const walks = new Walks(ITEMS, 1);
  const embedding = tf.variable(tf.randomNormal([ITEMS, DIMENSION], 0, 0.1, 'float32', 1), true, 'embedding');
  const hidden = tf.variable(tf.randomNormal([HISTORY * DIMENSION, DIMENSION], 0, 0.1, 'float32', 2), true, 'hidden');
  const output = tf.variable(tf.randomNormal([DIMENSION, ITEMS], 0, 0.1, 'float32', 3), true, 'output');
  const logitsOf = (history: Int32Array) => {
    const places = tf.gather(embedding, tf.tensor1d(history, 'int32'));
    const context = tf.tanh(tf.matMul(tf.reshape(places, [-1, HISTORY * DIMENSION]), hidden as tf.Tensor2D));
    return tf.matMul(context, output as tf.Tensor2D);
  };

  const optimizer = tf.train.adam(0.01);
  let statistics: TfjsBearLossStatistics | undefined;
  const onStatistics = (found: TfjsBearLossStatistics) => {
    statistics = found;
  };
  const step = () => {
    const { history, targets } = walks.batch(BATCH, HISTORY);
    return tf.tidy(() => {
      const loss = optimizer.minimize(
        () => bearLoss(logitsOf(history), targets, { beamWidth: BEAM_WIDTH, onStatistics }),
        true,
      ) as tf.Scalar;
      return loss.dataSync()[0] as number;
    });
  };

  const started = performance.now();
  const until = started + 1000 * Number(values.seconds);
  const losses: number[] = [];
  const isDone = () => (values.smoke ? losses.length >= 40 : performance.now() >= until);
  while (!isDone()) {
    losses.push(step());
    if (losses.length % (values.smoke ? 10 : 100) === 0) {
      const { prunedRate = 0, accuracy = 0 } = statistics ?? {};
      const figures = `loss ${losses.at(-1)?.toFixed(3)}, pruned ${percent(prunedRate)}, first ${percent(accuracy)}`;
      console.log(`step ${losses.length}: ${figures}, ${tf.memory().numTensors} tensors`);
    }
  }
  const perStep = (performance.now() - started) / losses.length;
  console.log(`${losses.length} steps on ${tf.getBackend()}, ${perStep.toFixed(1)} ms each`);
  console.log(`loss from ${losses[0]?.toFixed(3)} to ${losses.at(-1)?.toFixed(3)}`);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

main();
