// Run by `node --wasm-max-mem-pages=N`. Prints, for each call: the code it failed with, else 'done', and whether the caller's
// arrays are as they were.
const { fusedBearLoss, fusedBearLossAsync, fusedLinearBearLoss, topTokens } = require('../../..');

const [rows, vocabSize] = [3, 150_000];
const logits = () => Float32Array.from({ length: rows * vocabSize }, (_, i) => ((i * 7919) % 1000) / 100);
const halves = () => Uint16Array.from({ length: rows * vocabSize }, (_, i) => 0x3f80 + (i % 64));
const every = 2; // of the tokens is listed
const lists = {
  offsets: Int32Array.from({ length: rows + 1 }, (_, row) => (row * vocabSize) / every),
  tokens: Int32Array.from({ length: (rows * vocabSize) / every }, (_, i) => (i * every) % vocabSize),
};
const bitmask = new Uint32Array(rows * Math.ceil(vocabSize / 32)).fill(-1);
const targets = Int32Array.of(2, 4, 6);
const filled = (Type, length) => new Type(length).fill(7);

const CALLS = {
  'in place': () => loss(logits(), { gradient: 'in-place' }),
  'into an array': () => loss(logits(), { out: { gradLogits: filled(Float32Array, rows * vocabSize) } }),
  '16-bit': () => loss(halves(), { dtype: 'bfloat16', gradient: 'in-place' }),
  lists: () => loss(logits(), { allowed: lists, gradient: 'in-place' }),
  bitmask: () => loss(logits(), { allowed: { bitmask }, gradient: 'in-place', rows: true }),
  asynchronous: () => loss(logits(), { gradient: 'in-place' }, fusedBearLossAsync),
  'linear form': () => {
    const [hiddenSize, tokens] = [16, 20_000];
    const out = {
      gradHidden: filled(Float32Array, rows * hiddenSize),
      gradWeight: filled(Float32Array, tokens * hiddenSize),
    };
    const weight = logits().subarray(0, tokens * hiddenSize);
    const options = { hiddenSize, needs: ['hidden', 'weight'], out };
    const call = () => fusedLinearBearLoss(logits().subarray(0, rows * hiddenSize), weight, targets, options);
    return { arrays: Object.values(out), call };
  },
  'top tokens': () => {
    const out = {
      tokens: filled(Int32Array, rows * 10),
      logProbabilities: filled(Float32Array, rows * 10),
      logSumExp: filled(Float32Array, rows),
    };
    return { arrays: Object.values(out), call: () => topTokens(logits(), 10, { vocabSize, out }) };
  },
};

function loss(data, options, compute = fusedBearLoss) {
  const arrays = [data, ...Object.values(options.out ?? {})];
  return { arrays, call: () => compute(data, targets, { vocabSize, ...options }) };
}

async function main() {
  const reports = {};
  for (const [name, prepare] of Object.entries(CALLS)) {
    const { arrays, call } = prepare();
    const before = arrays.map((array) => array.slice());
    const outcome = await Promise.resolve()
      .then(call)
      .then(
        () => 'done',
        ({ code }) => code,
      );
    const isUntouched = arrays.every((array, i) => Buffer.compare(bytesOf(array), bytesOf(before[i])) === 0);
    reports[name] = { outcome, isUntouched };
  }
  // A small call is made whatever came before.
  reports.afterwards = fusedBearLoss(new Float32Array(2), [1]).loss;
  console.log(JSON.stringify(reports));
}

const bytesOf = ({ buffer }) => new Uint8Array(buffer);

main();
