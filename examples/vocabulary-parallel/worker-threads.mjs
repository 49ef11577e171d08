// Four worker threads, each with some columns of logits and gradient in shared memory. Nothing but partials is sent.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fusedBearLoss } from 'fused-bear-loss';
import { logitOf, OPTIONS, PARTS, ROWS, step, TARGETS, VOCAB_SIZE } from './step.mjs';

const shared = () => new Float32Array(new SharedArrayBuffer(4 * ROWS * VOCAB_SIZE));
const columns = (array, { firstToken, tokens }) =>
  array.subarray(firstToken, firstToken + (ROWS - 1) * VOCAB_SIZE + tokens);

if (isMainThread) {
  const logits = shared().map((_, index) => logitOf(Math.floor(index / VOCAB_SIZE), index % VOCAB_SIZE));
  const inputs = shared();
  inputs.set(logits);
  const gradient = shared();
  const workers = PARTS.map((part) => new Worker(new URL(import.meta.url), { workerData: { part, inputs, gradient } }));
  const received = [];
  const results = await Promise.all(
    workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          worker.on('error', reject);
          worker.on('message', ({ partials, loss }) => {
            if (loss !== undefined) return resolve(loss);
            received.push(partials);
            if (received.length === PARTS.length) for (const each of workers) each.postMessage(received);
          });
        }),
    ),
  );
  const whole = fusedBearLoss(logits, TARGETS, OPTIONS);
  const difference = Math.max(...gradient.map((value, index) => Math.abs(value - whole.gradLogits[index])));
  console.log(JSON.stringify({ losses: results, whole: whole.loss, difference }));
} else {
  const { part, inputs, gradient } = workerData;
  const exchange = (partials) =>
    new Promise((resolve) => {
      parentPort.once('message', resolve);
      parentPort.postMessage({ partials });
    });
  const { loss } = await step(columns(inputs, part), part.firstToken, part.tokens, exchange, columns(gradient, part));
  parentPort.postMessage({ loss });
}
