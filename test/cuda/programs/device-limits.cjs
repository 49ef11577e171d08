// Computes losses of some shapes on emulated devices with the limits of the first argument (JSON), and prints their
// outputs and the clusters that were launched.
const { join } = require('node:path');
const { fusedBearLoss } = require('fused-bear-loss');
const { emulator } = require(join(process.env.FUSED_BEAR_LOSS_PREBUILD, 'build/Release/fused_bear_loss.node'));

emulator.setDevices([JSON.parse(process.argv[2])]);

const bits = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');

const results = [];
for (const [rows, vocabSize] of [
  [3, 300],
  [2, 16_000],
  [1, 30_000],
  [1, 60_000],
  [1, 130_000],
]) {
  const logits = Float32Array.from({ length: rows * vocabSize }, (_, i) => 3 * Math.sin(i * i));
  const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabSize);
  // Rows without options have a kernel of their own.
  for (const options of [{}, { rows: true }, { rows: true, labelSmoothing: 0.1 }]) {
    for (const gradient of [false, true]) {
      const result = fusedBearLoss(logits, targets, { vocabSize, device: 'cuda', gradient, ...options });
      results.push({
        shape: [rows, vocabSize],
        options,
        loss: result.loss,
        prunedRate: result.prunedRate,
        rows: options.rows ? Object.values(result.rows).map(bits) : undefined,
        gradient: gradient ? bits(result.gradLogits) : undefined,
      });
    }
  }
}
process.stdout.write(JSON.stringify({ results, clusterSizes: emulator.clusterSizes(), reports: emulator.reports() }));
