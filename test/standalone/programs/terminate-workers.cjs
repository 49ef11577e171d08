// Terminates workers that have calls running and waiting, at all stages of these, and computes a loss afterwards. The
// calls of some copy their memory, those of others use the worker's own where it lies, which goes with the worker.
const { once } = require('node:events');
const { setTimeout: wait } = require('node:timers/promises');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { fusedBearLoss } = require('fused-bear-loss');
const { makeLinearProblem, makeProblem, startCalls, startLinearCalls } = require('./problem.cjs');

async function main() {
  for (let round = 0; round < 12; ++round) {
    const workers = Array.from({ length: 3 }, () => new Worker(__filename));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await wait(round * 3);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  const { loss } = fusedBearLoss(new Float32Array([0, 0]), [1]);
  console.log(Math.abs(loss - Math.log(2)) < 1e-6 ? 'alive' : `wrong loss ${loss}`);
}

function sharedCopy(array) {
  const copy = new Float32Array(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
}

function shared({ logits, targets }) {
  return { logits: { ...logits, data: sharedCopy(logits.data) }, targets };
}

if (isMainThread) {
  main();
} else {
  const problem = makeProblem(40, 10000);
  const linear = makeLinearProblem(40, 10000);
  const calls = [
    ...startCalls(2, problem),
    ...startCalls(1, shared(problem), { gradient: 'in-place' }),
    ...startCalls(1, problem, { out: { gradLogits: shared(problem).logits.data } }),
    ...startCalls(2, problem, { borrow: true }),
    ...startLinearCalls(2, linear),
    ...startLinearCalls(1, linear, { borrow: true }),
    ...startLinearCalls(1, linear, { out: { gradWeight: sharedCopy(linear.weight.data) } }),
  ];
  const forever = () =>
    Promise.all([...startCalls(1, makeProblem(8, 10000)), ...startLinearCalls(1, makeLinearProblem(8, 10000))]).then(
      forever,
    );
  Promise.all(calls).then(forever);
  parentPort.postMessage('started');
}
