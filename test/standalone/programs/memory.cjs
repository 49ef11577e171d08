// Prints how much memory a kind of call leaves behind, in MiB, after many of them. Every call handles 2 MiB, so a
// buffer that is not freed shows after a few.
const {
  bearPartials,
  bearShardGradient,
  fusedBearLoss,
  fusedBearLossAsync,
  fusedLinearBearLoss,
  fusedLinearBearLossAsync,
  linearTopTokens,
  mergeBearPartials,
} = require('fused-bear-loss');
const { residentMebibytes } = require('./resident-memory.cjs');

const rows = 16;
const vocabSize = 32768;
const logits = new Float32Array(rows * vocabSize).fill(0.5);
const targets = new Int32Array(rows).fill(3);
const badTargets = new Int32Array(rows).fill(-7);
const gradLogits = new Float32Array(rows * vocabSize);

async function ignoreError(promise) {
  await promise.then(
    () => {
      throw new Error('no error came');
    },
    () => {},
  );
}

const hiddenSize = 16;
const hidden = { data: new Float32Array(rows * hiddenSize).fill(0.5), shape: [rows, hiddenSize] };
const weight = { data: new Float32Array(vocabSize * hiddenSize).fill(0.25), shape: [vocabSize, hiddenSize] };
const part = { firstToken: 0, vocabSize, beamWidth: 1000 };

const KINDS = {
  sync: async () => void fusedBearLoss(logits, targets, { out: { gradLogits }, rows: true }),
  'sync-fresh': async () => void fusedBearLoss(logits, targets, { rows: true, reduction: 'none' }),
  refused: async () => {
    await ignoreError((async () => fusedBearLoss(logits, badTargets, { out: { gradLogits } }))());
    await ignoreError(fusedBearLossAsync(logits, badTargets, { out: { gradLogits } }));
  },
  async: async () => void (await fusedBearLossAsync(logits, targets, { out: { gradLogits }, rows: true })),
  linear: async () => {
    fusedLinearBearLoss(hidden, weight, targets, { rows: true });
    linearTopTokens(hidden, weight, 1000);
  },
  'linear-async': async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = ignoreError(fusedLinearBearLossAsync(hidden, weight, targets, { signal }));
    const calls = [true, false].map((borrow) => fusedLinearBearLossAsync(hidden, weight, targets, { borrow }));
    controller.abort();
    await ignoreError(fusedLinearBearLossAsync(hidden, weight, badTargets));
    await Promise.all([aborted, ...calls]);
  },
  parts: async () => {
    const merged = mergeBearPartials([bearPartials(logits, targets, part)], part);
    bearShardGradient(logits, targets, merged, { ...part, out: { gradLogits } });
  },
  queued: () => Promise.all(Array.from({ length: 5 }, () => fusedBearLossAsync(logits, targets, { gradient: false }))),
  aborted: async () => {
    const controller = new AbortController();
    const calls = Array.from({ length: 3 }, () => fusedBearLossAsync(logits, targets, { signal: controller.signal }));
    controller.abort();
    await Promise.all(calls.map(ignoreError));
    // So that the aborted jobs do not pile up faster than they end.
    await fusedBearLossAsync(logits, targets, { gradient: false });
  },
  detached: async () => {
    const gone = new Float32Array(rows * vocabSize);
    const call = fusedBearLossAsync(logits, targets, { out: { gradLogits: gone } });
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    await ignoreError(call);
  },
};

async function main() {
  const call = KINDS[process.argv[2]];
  for (let i = 0; i < 30; ++i) await call();
  const before = await residentMebibytes();
  for (let i = 0; i < 150; ++i) {
    await call();
    if (i % 10 === 0) globalThis.gc();
  }
  console.log(Math.round((await residentMebibytes()) - before));
}

main();
