// Four worker threads, each with some columns of logits and gradient in shared memory, where they exchange partials too.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { bearPartials, fusedBearLoss } from 'fused-bear-loss';
import { SharedExchange, shareMemory } from './shared-exchange.mjs';
import { logitOf, OPTIONS, PARTS, ROWS, step, TARGETS, VOCAB_SIZE } from './step.mjs';

const STEPS = 3;
const shared = () => new Float32Array(new SharedArrayBuffer(4 * ROWS * VOCAB_SIZE));
const columns = (array, { firstToken, tokens }) =>
  array.subarray(firstToken, firstToken + (ROWS - 1) * VOCAB_SIZE + tokens);
const sampleOf = ({ firstToken, tokens }) =>
  bearPartials({ data: new Float32Array(ROWS * tokens), shape: [ROWS, tokens] }, TARGETS, { ...OPTIONS, firstToken });

if (isMainThread) {
  const logits = shared().map((_, index) => logitOf(Math.floor(index / VOCAB_SIZE), index % VOCAB_SIZE));
  const inputs = shared();
  inputs.set(logits);
  const gradient = shared();
  const memory = shareMemory(PARTS.map(sampleOf));
  const start = (part, index) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { part, index, inputs, gradient, memory } });
      worker.on('error', reject);
      worker.on('message', resolve);
    });
  const losses = await Promise.all(PARTS.map(start));
  const whole = fusedBearLoss(logits, TARGETS, OPTIONS);
  const difference = Math.max(...gradient.map((value, index) => Math.abs(value - whole.gradLogits[index])));
  console.log(JSON.stringify({ losses, whole: whole.loss, difference }));
} else {
  const { part, index, inputs, gradient, memory } = workerData;
  const exchange = new SharedExchange(memory, index);
  let loss;
  for (let each = 0; each < STEPS; each++) {
    const exchanged = (partials) => exchange.exchange(partials);
    ({ loss } = await step(columns(inputs, part), part.firstToken, part.tokens, exchanged, columns(gradient, part)));
  }
  parentPort.postMessage(loss);
}
