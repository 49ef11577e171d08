// `using`, on runtimes that know it: whatever owns device memory gives it back at the end of its block. On the emulated device.
const { CudaStream, DeviceTensor, deviceMemory, fusedBearLoss } = require('fused-bear-loss/cuda');

const blocks = () => deviceMemory('cuda:0').allocatedBlocks;

async function main() {
  const before = blocks();
  let held;
  let loss;
  {
    using stream = CudaStream.create();
    using logits = DeviceTensor.fromHost(new Float32Array(10), [2, 5]);
    using result = fusedBearLoss(logits, [1, 2], { stream });
    ({ loss } = await result.read());
    held = blocks() - before;
  }
  console.log(JSON.stringify({ loss, held, after: blocks() - before }));
}

main();
