// What the adapters cost and save: the loss as an operation of TensorFlow.js and in a step of jax-js, beside the
// frameworks' own operations. Prints Markdown.
//
//   npx tsx benchmarks/frameworks.ts [--rounds 15]

import { parseArgs } from 'node:util';
import type * as Jax from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { fusedBearLoss } from 'fused-bear-loss';
import { bearLossStep } from 'fused-bear-loss/jax';
import { bearLoss, registerWasmTrainingKernels } from 'fused-bear-loss/tfjs';

if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 1 } });

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const ROUNDS = Number(values.rounds);
const [N, V, D] = [256, 32_000, 64];
const targets = Int32Array.from({ length: N }, (_, row) => (row * 977) % V);

function normals(count: number): Float32Array {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(6.2831853 * uniform()),
  );
}

/** Milliseconds of a call, 10th percentile. */
async function measure(rounds: number, call: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const started = performance.now();
    await call();
    if (round > 0) times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 10)] as number;
}

async function report(what: string, rounds: number, call: () => unknown): Promise<void> {
  console.log(`| ${what} | ${(await measure(rounds, call)).toFixed(1)} |`);
}

async function main(): Promise<void> {
  console.log(`N = ${N}, V = ${V}, B = 10, hidden size ${D}; milliseconds, 10th percentile of ${ROUNDS}\n`);
  console.log('| loss and gradient by the logits | ms |\n| --- | ---: |');
  const logits = normals(N * V).map((z) => 3 * z);
  const out = { gradLogits: new Float32Array(N * V) };
  await report('`fusedBearLoss` into a given array', ROUNDS, () =>
    fusedBearLoss({ data: logits, shape: [N, V] }, targets, { out }),
  );
  const ownCrossEntropy = (x: tf.Tensor) => {
    const oneHot = tf.oneHot(tf.tensor1d(targets, 'int32'), V);
    return tf.div(tf.sum(tf.mul(tf.logSoftmax(x as tf.Tensor2D), oneHot)), -N);
  };
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const tensor = tf.tensor2d(logits, [N, V]);
    const gradientOf = (loss: (x: tf.Tensor) => tf.Tensor) => () => tf.tidy(() => void tf.grad(loss)(tensor));
    await report(
      `tfjs ${backend}: \`bearLoss\``,
      ROUNDS,
      gradientOf((x) => bearLoss(x, targets)),
    );
    await report(
      `tfjs ${backend}: \`bearLoss\` times 2`,
      ROUNDS,
      gradientOf((x) => tf.mul(bearLoss(x, targets), 2)),
    );
    const rounds = backend === 'cpu' ? 1 : Math.min(5, ROUNDS);
    await report(
      `tfjs ${backend}: cross-entropy of its own operations (${rounds} rounds)`,
      rounds,
      gradientOf(ownCrossEntropy),
    );
    tensor.dispose();
  }

  console.log('\n| a linear layer with the loss, forward and backward | ms |\n| --- | ---: |');
  const [hidden, weights] = [normals(N * D), normals(D * V)];
  const step = () =>
    tf.tidy(() => {
      const [x, w] = [tf.tensor2d(hidden, [N, D]), tf.tensor2d(weights, [D, V])];
      tf.grads((a, b) => bearLoss(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), targets))([x, w]);
    });
  await tf.setBackend('wasm');
  await report('tfjs wasm, as it is', Math.min(5, ROUNDS), step);
  registerWasmTrainingKernels();
  await report('tfjs wasm, after `registerWasmTrainingKernels()`', ROUNDS, step);

  const jax = require('@jax-js/jax') as typeof Jax;
  const { numpy: np, nn } = jax;
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  const layer = (w: Jax.Array, x: Jax.Array) => np.matmul(x, w);
  const [x, w] = [np.array(hidden).reshape([N, D]), np.array(weights).reshape([D, V])];
  const bearStep = bearLossStep(jax, layer);
  await report('jax-js wasm: `bearLossStep`', ROUNDS, async () => {
    const { gradients } = await bearStep(w, x, targets);
    (await gradients.blockUntilReady()).dispose();
  });
  const ownStep = jax.jit(
    jax.valueAndGrad((weight: Jax.Array, input: Jax.Array, ids: Jax.Array) => {
      const isTarget = np
        .arange(V)
        .reshape([1, V])
        .equal(ids.reshape([N, 1]))
        .astype(np.float32);
      return nn
        .logSoftmax(layer(weight, input))
        .mul(isTarget)
        .sum()
        .mul(-1 / N);
    }),
  );
  await report('jax-js wasm: cross-entropy of its own operations', ROUNDS, async () => {
    const [loss, gradient] = ownStep(w.ref, x.ref, np.array(targets));
    await loss.data();
    (await gradient.blockUntilReady()).dispose();
  });
}

main();
