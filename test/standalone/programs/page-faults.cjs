// Prints how many pages a call of copied memory meets for the first time, as a share of the pages that it copies. Larger
// than what allocators keep of what was freed.
const { fusedBearLossAsync } = require('fused-bear-loss');

const [rows, vocabSize] = [10, 1 << 20];
const PAGE_BYTES = 4096;
const CALLS = 10;
const logits = new Float32Array(rows * vocabSize).fill(0.5);
const gradLogits = new Float32Array(rows * vocabSize).fill(7);
const targets = new Int32Array(rows);

async function main() {
  const call = () => fusedBearLossAsync(logits, targets, { vocabSize, out: { gradLogits } });
  for (let i = 0; i < 3; i++) await call();
  const before = process.resourceUsage().minorPageFault;
  for (let i = 0; i < CALLS; i++) await call();
  const faults = process.resourceUsage().minorPageFault - before;
  console.log((faults / CALLS / (logits.byteLength / PAGE_BYTES)).toFixed(4));
}

main();
