// A worker that computes synchronously, and then asynchronously.
const { parentPort } = require('node:worker_threads');
const { capabilities, fusedBearLoss, fusedBearLossAsync } = require('fused-bear-loss');

const { loss } = fusedBearLoss(new Float32Array(2), [1]);
fusedBearLossAsync(new Float32Array(2), [1]).then((later) => {
  if (later.loss !== loss) throw new Error(`${later.loss} and ${loss}`);
  parentPort.postMessage({ backend: capabilities().backend, loss });
});
