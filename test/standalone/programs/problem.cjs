// A problem of a size that keeps the kernel busy for a while.
const { fusedBearLossAsync, fusedLinearBearLossAsync } = require('fused-bear-loss');

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

function makeLinearProblem(rows, vocabSize) {
  const hiddenSize = 16;
  const matrix = (length) => Float32Array.from({ length: length * hiddenSize }, (_, i) => Math.sin(i * 0.7310585));
  const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7) % vocabSize);
  return {
    hidden: { data: matrix(rows), shape: [rows, hiddenSize] },
    weight: { data: matrix(vocabSize), shape: [vocabSize, hiddenSize] },
    targets,
  };
}

/** As startCalls, of the linear form. */
function startLinearCalls(count, { hidden, weight, targets }, options = {}) {
  const slow = { beamWidth: weight.shape[0] / 2, ...options };
  return Array.from({ length: count }, () => fusedLinearBearLossAsync(hidden, weight, targets, slow));
}

module.exports = { makeLinearProblem, makeProblem, startCalls, startLinearCalls };
