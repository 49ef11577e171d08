// Prints the milliseconds of the import, of the first call (which chooses the backend), and of the second.
const started = performance.now();
const { capabilities, fusedBearLoss } = require('fused-bear-loss');
const imported = performance.now();
fusedBearLoss(new Float32Array(64), [1]);
const called = performance.now();
fusedBearLoss(new Float32Array(64), [1]);
const again = performance.now();
const { backend } = capabilities();
console.log(JSON.stringify({ backend, import: imported - started, first: called - imported, second: again - called }));
