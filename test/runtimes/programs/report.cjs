// Prints what computes, and what was warned of, or the code with which the first call failed.
const warnings = [];
process.on('warning', ({ name, code, message }) => {
  if (name === 'FusedBearLossWarning') warnings.push({ code, message });
});
const [, , ...names] = process.argv;

function report(name) {
  try {
    const { capabilities, fusedBearLoss } = require(name);
    const { backend, reason, version } = capabilities();
    return { backend, reason, version, loss: fusedBearLoss(new Float32Array(2), [1]).loss };
  } catch ({ code, message }) {
    return { code, message };
  }
}

const reports = names.map(report);
// Warnings are emitted a turn later.
setTimeout(() => console.log(JSON.stringify({ reports, warnings })), 20);
