// Drops tensors, results and streams without disposing of them, on the main thread and in workers, and prints what the
// device's memory and the emulator say after the garbage collector has run.
const { Worker, isMainThread } = require('node:worker_threads');
const { setTimeout: sleep } = require('node:timers/promises');
const { CudaStream, DeviceTensor, deviceMemory, fusedBearLoss } = require('fused-bear-loss/cuda');

const rounds = 20;

async function drop() {
  for (let round = 0; round < rounds; ++round) {
    const logits = DeviceTensor.fromHost(Float32Array.from({ length: 40 }, Math.sin), [4, 10]);
    const stream = CudaStream.create();
    const result = fusedBearLoss(logits, [1, 2, 3, 4], { rows: true, stream });
    if (round % 2 === 0) await result.read();
  }
}

async function main() {
  const during = [];
  await drop();
  during.push(deviceMemory().allocatedBlocks);
  for (let i = 0; i < 10 && deviceMemory().allocatedBlocks > 0; ++i) {
    global.gc();
    await sleep(10);
  }
  const ended = Array.from({ length: 3 }, () => new Promise((resolve) => new Worker(__filename).on('exit', resolve)));
  const exits = await Promise.all(ended);
  global.gc();
  await sleep(10);
  const { allocatedBlocks, pinned } = deviceMemory();
  console.log(JSON.stringify({ during, exits, allocatedBlocks, pinnedBlocks: pinned.allocatedBlocks }));
}

if (isMainThread) main();
else drop();
