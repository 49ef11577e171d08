// The calls of workload.cjs that take what a call of the loss takes and do something else with it.
const {
  bearPartials,
  bearShardGradient,
  fusedLinearBearLoss,
  fusedLinearBearLossAsync,
  linearTopTokens,
  mergeBearPartials,
} = require('fused-bear-loss');

const HIDDEN_SIZE = 19;

function matrix(rows, dtype) {
  const length = rows * HIDDEN_SIZE;
  const data =
    dtype === 'bfloat16'
      ? Uint16Array.from({ length }, (_, i) => 0x3c00 + ((i * 37) % 512))
      : Float32Array.from({ length }, (_, i) => Math.sin(i));
  return { data, shape: [rows, HIDDEN_SIZE], dtype: dtype === 'bfloat16' ? dtype : 'float32' };
}

const shared = (array) => {
  const copy = new array.constructor(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
};

function linearOptions({ gradient, allowed, ...options }, vocabSize) {
  const bias = new Float32Array(vocabSize).fill(0.25);
  const needs = gradient === false ? [] : ['hidden', 'weight', 'bias'];
  const isListed = allowed?.tokens !== undefined;
  return { ...options, allowed, bias, needs, workspaceBytes: isListed ? 4096 : 64 * vocabSize };
}

/** Both calls of the linear form, one of them of memory that it uses where it lies, and the search's half of it. */
async function linearCalls({ shape: [rows, vocabSize], dtype }, targets, options) {
  const [hidden, weight] = [matrix(rows, dtype), matrix(vocabSize, dtype)];
  const given = linearOptions(options, vocabSize);
  const running = fusedLinearBearLossAsync(hidden, weight, targets, given);
  fusedLinearBearLoss(hidden, weight, targets, given);
  const lent = { ...weight, data: shared(weight.data) };
  const accumulates = given.needs.length > 0;
  const others = [lent, weight].map((each) => {
    const out = accumulates ? { gradWeight: shared(new Float32Array(vocabSize * HIDDEN_SIZE)) } : undefined;
    return fusedLinearBearLossAsync(hidden, each, targets, { ...given, out, accumulate: accumulates, threads: 2 });
  });
  const { bias, allowed, softcap, threads, beamWidth, workspaceBytes } = given;
  linearTopTokens(hidden, weight, beamWidth, { bias, allowed, softcap, threads, workspaceBytes });
  await Promise.all([running, ...others]);
}

/** Two parts, the second of which is the larger, in calls of their own. */
function partCalls({ data, shape: [rows, vocabSize], dtype, rowStride }, targets, options) {
  if (vocabSize < 2 || options.allowed?.bitmask !== undefined) return;
  const { gradient, ...rest } = options;
  const given = { ...rest, vocabSize, gradient: gradient !== false };
  const middle = Math.floor(vocabSize / 3) || 1;
  const parts = [0, middle].map((firstToken, index) => {
    const end = [middle, vocabSize][index];
    const columns = data.subarray(firstToken, (rows - 1) * rowStride + end);
    return { firstToken, logits: { data: columns, shape: [rows, end - firstToken], dtype, rowStride } };
  });
  const partials = parts.map(({ firstToken, logits }) => bearPartials(logits, targets, { ...given, firstToken }));
  const merged = mergeBearPartials(partials.reverse(), given);
  for (const { firstToken, logits } of parts) bearShardGradient(logits, targets, merged, { ...given, firstToken });
}

async function troubledLinearCalls() {
  const refused = (run) =>
    run.then(
      () => Promise.reject(new Error('not refused')),
      () => {},
    );
  const [hidden, weight] = [matrix(5, 'float32'), matrix(4099, 'float32')];
  const targets = [1, 2, 3, 4, 5];
  await refused(fusedLinearBearLossAsync(hidden, weight, [1, 2, 3, 4, 5000]));
  for (let i = 0; i < 8; ++i) {
    const controller = new AbortController();
    const gradWeight = new Float32Array(weight.data.length);
    const detached = refused(fusedLinearBearLossAsync(hidden, weight, targets, { out: { gradWeight } }));
    structuredClone(gradWeight.buffer, { transfer: [gradWeight.buffer] });
    const input = { ...weight, data: weight.data.slice() };
    const running = fusedLinearBearLossAsync(hidden, input, targets, { beamWidth: 2000, borrow: i % 2 === 0 });
    try {
      structuredClone(input.data.buffer, { transfer: [input.data.buffer] });
    } catch {
      // It was lent, and stays.
    }
    const aborted = refused(fusedLinearBearLossAsync(hidden, weight, targets, { signal: controller.signal }));
    setImmediate(() => controller.abort());
    await Promise.all([detached, running, aborted]);
  }
}

module.exports = { linearCalls, partCalls, troubledLinearCalls };
