// Prints how much memory 100000 small calls leave behind, in MiB.
const { fusedBearLoss } = require('fused-bear-loss');
const { residentMebibytes } = require('./resident-memory.cjs');

const logits = new Float32Array(8).fill(0.5);
const targets = new Int32Array([1, 2]);
const run = (count) => {
  for (let i = 0; i < count; ++i) fusedBearLoss(logits, targets, { rows: true });
};

async function main() {
  // It takes some 100000 calls until V8's heap has the size that it keeps.
  run(100000);
  const before = await residentMebibytes();
  run(100000);
  console.log(Math.round((await residentMebibytes()) - before));
}

main();
