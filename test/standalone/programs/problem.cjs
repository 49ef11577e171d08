// A problem of a size that keeps the kernel busy for a while.
const { fusedBearLossAsync } = require('fused-bear-loss');

function makeProblem(rows, vocabSize) {
  const data = Float32Array.from({ length: rows * vocabSize }, (_, index) => 3 * Math.sin(index * 0.7310585));
  const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7) % vocabSize);
  return { logits: { data, shape: [rows, vocabSize] }, targets };
}

/** Starts `count` calls; two run, the others wait. */
function startCalls(count, { logits, targets }, options = {}) {
  // A wide beam makes a row slow to sweep.
  const slow = { beamWidth: logits.shape[1] / 2, ...options };
  return Array.from({ length: count }, () => fusedBearLossAsync(logits, targets, slow));
}

module.exports = { makeProblem, startCalls };
