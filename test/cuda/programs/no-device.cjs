// Takes the driver or the devices away as the first argument (JSON) says, before anything asked for them, and prints what
// each call makes of it.
const { join } = require('node:path');
const { capabilities, fusedBearLoss } = require('fused-bear-loss');
const { CudaStream, DeviceTensor, deviceMemory } = require('fused-bear-loss/cuda');
const { emulator } = require(join(process.env.FUSED_BEAR_LOSS_PREBUILD, 'build/Release/fused_bear_loss.node'));

const { driver = 'working', version, without } = JSON.parse(process.argv[2]);

function outcomeOf(run) {
  emulator.setDriver(driver, version);
  if (without === 'devices') emulator.failCall('cudaGetDeviceCount', 1, 100);
  try {
    return { value: run() };
  } catch ({ name, code, argument, message }) {
    return { name, code, argument, message };
  }
}

const logits = Float32Array.of(1, 2, 3);
const gradLogits = Float32Array.of(7, 7, 7);
const loss = outcomeOf(() => fusedBearLoss(logits, [1], { device: 'cuda', out: { gradLogits } }));
const others = [() => DeviceTensor.allocate([3], 'float32'), () => CudaStream.create(), () => deviceMemory()].map(
  outcomeOf,
);
process.stdout.write(
  JSON.stringify({
    refused: [loss, ...others],
    buffers: [[...logits], [...gradLogits]],
    cuda: outcomeOf(() => capabilities().cuda).value,
    onCpu: outcomeOf(() => fusedBearLoss(logits, [1]).countedRows).value,
  }),
);
