// Loads the package, computes on the CPU in each way there is, and prints what was asked of the CUDA runtime meanwhile.
const { join } = require('node:path');
const { fusedBearLoss, fusedBearLossAsync, topTokens } = require('fused-bear-loss');
const { DeviceTensor } = require('fused-bear-loss/cuda');
const { emulator } = require(join(process.env.FUSED_BEAR_LOSS_PREBUILD, 'build/Release/fused_bear_loss.node'));

async function main() {
  const logits = Float32Array.of(1, 2, 3, 4);
  fusedBearLoss(logits, [1]);
  fusedBearLoss(logits, [1], { device: 'auto' });
  fusedBearLoss(logits, [1], { device: 'cpu', gradient: 'in-place' });
  await fusedBearLossAsync(logits, [1]);
  topTokens({ data: logits, shape: [1, 4] }, 2);
  const calls = emulator.calls();
  DeviceTensor.allocate([1], 'float32').dispose();
  process.stdout.write(JSON.stringify({ calls, afterATensor: emulator.calls() }));
}

void main();
