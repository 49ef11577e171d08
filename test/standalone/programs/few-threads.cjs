// Asks for more threads than the user may have, and then for a file, which libuv reads on threads that it starts now.
const { readFile } = require('node:fs/promises');
const { fusedBearLoss, fusedBearLossAsync } = require('fused-bear-loss');
const { makeProblem } = require('./problem.cjs');

async function main() {
  const { logits, targets } = makeProblem(256, 65536);
  const { loss } = fusedBearLoss(logits, targets, { threads: 256 });
  const { loss: sameLoss } = await fusedBearLossAsync(logits, targets, { threads: 256 });
  const text = await readFile(__filename, 'utf8');
  console.log(loss === sameLoss && text.startsWith('// Asks') ? 'computed and read' : 'something is wrong');
}

main();
