// A little of everything, for the sanitizers: every dtype, container, gradient mode and reduction, odd sizes, both calls,
// the linear form, a vocabulary in parts, refusals, aborts, detached buffers, workers.
const { once } = require('node:events');
const { Worker, isMainThread } = require('node:worker_threads');
const { fusedBearLoss, fusedBearLossAsync, topTokens } = require('fused-bear-loss');
const { linearCalls, partCalls, troubledLinearCalls } = require('./workload-calls.cjs');

const VOCAB_SIZES = [1, 2, 31, 33, 1000, 4099];
const PENALTIES = ['hinge', 'softplus', 'log-sigmoid', 'sigmoid', 'reweight', 'none'];
const REDUCTIONS = ['mean', 'sum', 'none', 'weighted-mean'];

function makeCall(vocabSize, index) {
  const rows = 5;
  const rowStride = vocabSize + (index % 4);
  const length = (rows - 1) * rowStride + vocabSize;
  const dtype = ['float32', 'float16', 'bfloat16'][index % 3];
  const data =
    dtype === 'float32'
      ? Float32Array.from({ length }, (_, i) => 4 * Math.sin(i))
      : Uint16Array.from({ length }, (_, i) => 0x3c00 + ((i * 37) % 512));
  const targets = Int32Array.from({ length: rows }, (_, row) => (row === 2 ? -100 : (row * 13) % vocabSize));
  const options = {
    rows: true,
    penalty: PENALTIES[index % 6],
    reduction: REDUCTIONS[index % 4],
    thresholdGradient: index % 2 ? 'flow' : 'detach',
    beamWidth: [1, 10, vocabSize, vocabSize + 1, 64][index % 5],
    softcap: index % 7 === 0 ? 20 : undefined,
    labelSmoothing: index % 5 === 0 ? 0.1 : 0,
    zLoss: index % 3 === 0 ? 1e-3 : 0,
    tokenWeights: index % 2 ? new Float32Array(rows).fill(0.5) : undefined,
    gradient: [true, false, 'in-place', 'in-place-sparse'][index % 4],
    threads: 1 + (index % 3),
    allowed: index % 4 === 3 ? lists(targets, vocabSize) : index % 4 === 2 ? bitmask(rows, vocabSize) : undefined,
  };
  return [{ data, shape: [rows, vocabSize], dtype, rowStride }, targets, options];
}

function lists(targets, vocabSize) {
  const rows = Array.from(targets, (target) =>
    [...new Set([0, Math.max(0, target), vocabSize - 1])].sort((a, b) => a - b),
  );
  const offsets = Int32Array.from([0, ...rows.map((_, row) => rows.slice(0, row + 1).flat().length)]);
  return { offsets, tokens: Int32Array.from(rows.flat()) };
}

function bitmask(rows, vocabSize) {
  return { bitmask: new Uint32Array(rows * Math.ceil(vocabSize / 32)).fill(0xffffffff) };
}

function topTokensOf(logits, _targets, { allowed, beamWidth, softcap, threads }) {
  topTokens(logits, beamWidth, { allowed, softcap, threads });
  if (allowed?.tokens === undefined) return;
  const listed = new Float32Array(allowed.tokens.length).map((_, i) => Math.sin(i));
  topTokens(listed, beamWidth, { allowed, softcap, threads, layout: 'allowed' });
}

async function everyCall() {
  let index = 0;
  for (const vocabSize of VOCAB_SIZES) {
    for (let variant = 0; variant < 24; ++variant, ++index) {
      fusedBearLoss(...makeCall(vocabSize, index));
      await fusedBearLossAsync(...makeCall(vocabSize, index));
      topTokensOf(...makeCall(vocabSize, index));
      await linearCalls(...makeCall(vocabSize, index));
      partCalls(...makeCall(vocabSize, index));
    }
  }
}

async function troubledCalls() {
  const logits = new Float32Array(5 * 4099);
  const refused = (run) =>
    run.then(
      () => Promise.reject(new Error('not refused')),
      () => {},
    );
  await refused(fusedBearLossAsync(logits, [1, 2, 3, 4, 5000]));
  await refused(fusedBearLossAsync(logits, [1, 2, 3, 4, 5], { out: { gradLogits: new Float32Array(3) } }));
  for (let i = 0; i < 8; ++i) {
    const controller = new AbortController();
    const gradLogits = new Float32Array(5 * 4099);
    const detached = refused(fusedBearLossAsync(logits, [1, 2, 3, 4, 5], { out: { gradLogits } }));
    structuredClone(gradLogits.buffer, { transfer: [gradLogits.buffer] });
    const input = logits.slice();
    const running = fusedBearLossAsync(input, [1, 2, 3, 4, 5], { beamWidth: 2000 });
    structuredClone(input.buffer, { transfer: [input.buffer] });
    const aborted = refused(fusedBearLossAsync(logits, [1, 2, 3, 4, 5], { signal: controller.signal }));
    setImmediate(() => controller.abort());
    await Promise.all([detached, running, aborted]);
  }
}

async function main() {
  await everyCall();
  await troubledCalls();
  await troubledLinearCalls();
  if (!isMainThread) return;
  const workers = [new Worker(__filename), new Worker(__filename)];
  for (const [code] of await Promise.all(workers.map((worker) => once(worker, 'exit')))) {
    if (code !== 0) throw new Error(`a worker ended with ${code}`);
  }
  console.log('clean');
}

main();
