// A small recommender in jax-js: the next item of a walk, learned with the BEAR loss in two phases a step.
//
//   npx tsx examples/jax/next-item.ts [--seconds 60] [--smoke]

import { parseArgs } from 'node:util';
import type * as Jax from '@jax-js/jax';
import { bearLossStep } from 'fused-bear-loss/jax';
import { Walks } from '../support/walks.js';

// Node 20 has no navigator, which jax-js asks for the number of its threads.
if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 1 } });

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, smoke: { type: 'boolean', default: false } },
});

const BEAM_WIDTH = 10;
const HISTORY = 4;
const DIMENSION = 32;
const BATCH = 256;
const ITEMS = values.smoke ? 200 : 5000;
const LEARNING_RATE = 0.01;

type Parameters = { embedding: Jax.Array; hidden: Jax.Array; output: Jax.Array };

async function main(): Promise<void> {
  const jax = require('@jax-js/jax') as typeof Jax;
  const { numpy: np, random, tree } = jax;
  await jax.init('wasm');
  jax.defaultDevice('wasm');

  // A matrix product with the histories as rows of ones and zeros: jax-js compiles no gather that can be differentiated.
  const logitsOf = ({ embedding, hidden, output }: Parameters, history: Jax.Array) => {
    const isItem = np
      .arange(ITEMS)
      .reshape([1, ITEMS])
      .equal(history.reshape([-1, 1]));
    const places = np.matmul(isItem.astype(np.float32), embedding).reshape([-1, HISTORY * DIMENSION]);
    return np.matmul(np.tanh(np.matmul(places, hidden)), output);
  };
  const normal = (seed: number, shape: number[]) => random.normal(random.key(seed), shape).mul(0.1);
  let parameters: Parameters = {
    embedding: normal(1, [ITEMS, DIMENSION]),
    hidden: normal(2, [HISTORY * DIMENSION, DIMENSION]),
    output: normal(3, [DIMENSION, ITEMS]),
  };
  const step = bearLossStep(jax, logitsOf, { beamWidth: BEAM_WIDTH });
  // Adam (Kingma and Ba, 2015) without the correction of its first steps; jax-js has no package of optimizers.
  const zeros = () => tree.map((weight: Jax.Array) => np.zeros(weight.shape), parameters) as Parameters;
  let moments = { first: zeros(), second: zeros() };
  const smooth = jax.jit((before: typeof moments, gradients: Parameters) => ({
    first: tree.map(
      (mean: Jax.Array, slope: Jax.Array) => mean.mul(0.9).add(slope.mul(0.1)),
      before.first,
      tree.ref(gradients),
    ) as Parameters,
    second: tree.map(
      (mean: Jax.Array, slope: Jax.Array) => mean.mul(0.999).add(slope.ref.mul(slope).mul(0.001)),
      before.second,
      gradients,
    ) as Parameters,
  }));
  const descend = jax.jit(
    (before: Parameters, { first, second }: typeof moments) =>
      tree.map(
        (weight: Jax.Array, mean: Jax.Array, square: Jax.Array) =>
          weight.sub(mean.div(np.sqrt(square).add(1e-8)).mul(LEARNING_RATE)),
        before,
        first,
        second,
      ) as Parameters,
  );

  const walks = new Walks(ITEMS, 1);
  const started = performance.now();
  const until = started + 1000 * Number(values.seconds);
  const losses: number[] = [];
  const isDone = () => (values.smoke ? losses.length >= 40 : performance.now() >= until);
  while (!isDone()) {
    const { history, targets } = walks.batch(BATCH, HISTORY);
    const batch = np.array(history);
    const { loss, prunedRate, accuracy, gradients } = await step(parameters, batch, targets);
    batch.dispose();
    moments = smooth(moments, gradients);
    parameters = descend(parameters, tree.ref(moments));
    losses.push(loss);
    if (losses.length % (values.smoke ? 10 : 100) === 0) {
      const figures = `loss ${loss.toFixed(3)}, pruned ${percent(prunedRate)}, first ${percent(accuracy)}`;
      console.log(`step ${losses.length}: ${figures}`);
    }
  }
  const perStep = (performance.now() - started) / losses.length;
  console.log(`${losses.length} steps on wasm, ${perStep.toFixed(1)} ms each`);
  console.log(`loss from ${losses[0]?.toFixed(3)} to ${losses.at(-1)?.toFixed(3)}`);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

main();
