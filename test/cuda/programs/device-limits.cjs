// Computes losses of some shapes on an emulated device with the limits of the first argument (JSON), and prints their
// outputs and whether gradients read the logits again.
const { join } = require('node:path');
const { DeviceTensor, fusedBearLoss } = require('fused-bear-loss/cuda');
const { emulator } = require(join(process.env.FUSED_BEAR_LOSS_PREBUILD, 'build/Release/fused_bear_loss.node'));

emulator.setDevices([JSON.parse(process.argv[2])]);
emulator.configure({ countTraffic: true });

const bits = (tensor) => {
  const array = tensor.toHost();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');
};

async function main() {
  const results = [];
  const readAgain = [];
  for (const [rows, vocabSize] of [
    [3, 300],
    [2, 12_000],
    [1, 30_000],
    [1, 130_000],
  ]) {
    const values = Float32Array.from({ length: rows * vocabSize }, (_, i) => 3 * Math.sin(i * i));
    const logits = DeviceTensor.fromHost(values, [rows, vocabSize]);
    const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabSize);
    // Rows without options have a kernel of their own.
    for (const options of [{}, { rows: true }, { rows: true, labelSmoothing: 0.1 }]) {
      for (const gradient of [false, true]) {
        emulator.clearTraffic();
        const result = fusedBearLoss(logits, targets, { gradient, ...options });
        results.push({
          shape: [rows, vocabSize],
          options,
          summary: await result.read(),
          rows: options.rows ? Object.values(result.rows).map(bits) : undefined,
          gradient: gradient ? bits(result.gradLogits) : undefined,
        });
        const { fewestReads, mostReads } = emulator.traffic(logits.pointer, logits.byteLength);
        // Ranks read the target more often.
        if (gradient) readAgain.push((options.rows ? fewestReads : mostReads) > 1);
        result.dispose();
      }
    }
  }
  process.stdout.write(JSON.stringify({ results, readAgain, reports: emulator.reports() }));
}

main();
