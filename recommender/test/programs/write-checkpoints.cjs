// Writes checkpoints of 8 MB to the file of the first argument, without end, and tells of each that is written.
const { writeSync } = require('node:fs');
const { writeSafetensors } = require('../../dist/training/safetensors.js');

const weights = { data: new Float32Array(2e6), shape: [2e6] };
for (let version = 1; ; version++) {
  weights.data.fill(version);
  writeSafetensors(process.argv[2], { weights }, JSON.stringify({ version }));
  writeSync(1, `version ${version}\n`);
}
