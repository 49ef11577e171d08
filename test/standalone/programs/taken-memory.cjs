// Asynchronous calls whose memory is transferred, resized, grown or written to, or which are aborted, at every stage of
// theirs. A call ends in the right result, in ERR_BEAR_BUFFER_DETACHED or in the abort's reason; memory that was taken away
// is not written to afterwards. Prints the counts.
const assert = require('node:assert');
const { setImmediate: turn } = require('node:timers/promises');
const { types } = require('node:util');
const { MessageChannel } = require('node:worker_threads');
const core = require('fused-bear-loss');

// 64 KiB, so that the logits are exactly the pages of a WebAssembly memory.
const [rows, vocabSize] = [8, 2048];
const length = rows * vocabSize;
const values = Float32Array.from({ length }, (_, index) => 3 * Math.sin(index * 0.7310585));
const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7) % vocabSize);
const UNTOUCHED = 7;
const REASON = new Error('enough');
// A wide beam makes a row slow to sweep.
const slow = { vocabSize, beamWidth: vocabSize / 2, threads: 1 };

// The memory has logits, or weights of as many numbers.
const hiddenSize = 8;
const hidden = Float32Array.from({ length: rows * hiddenSize }, (_, index) => Math.cos(index));
const slowLinear = { ...slow, vocabSize: undefined, hiddenSize };
const LOSS = {
  start: (logits, gradLogits, options) =>
    core.fusedBearLossAsync(logits, targets, {
      ...slow,
      ...(gradLogits && (gradLogits === logits ? { gradient: 'in-place' } : { out: { gradLogits } })),
      ...options,
    }),
  gradientOf: ({ gradLogits }) => gradLogits,
  expected: core.fusedBearLoss(values, targets, slow),
};
const LINEAR = {
  start: (weight, gradWeight, options) =>
    core.fusedLinearBearLossAsync(hidden, weight, targets, {
      ...slowLinear,
      ...(gradWeight && { out: { gradWeight } }),
      ...options,
    }),
  gradientOf: ({ gradWeight }) => gradWeight,
  expected: core.fusedLinearBearLoss(hidden, values, targets, slowLinear),
};

const bytes = 4 * length;
const MEMORIES = {
  ordinary: () => new ArrayBuffer(bytes),
  resizable: () => new ArrayBuffer(bytes, { maxByteLength: 2 * bytes }),
  shared: () => new SharedArrayBuffer(bytes),
  growable: () => new SharedArrayBuffer(bytes, { maxByteLength: 2 * bytes }),
  WebAssembly: () => wasm(new WebAssembly.Memory({ initial: 1, maximum: 4 })),
  'shared WebAssembly': () => wasm(new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true })),
};

const memories = new WeakMap();
function wasm(memory) {
  const { buffer } = memory;
  memories.set(buffer, memory);
  return buffer;
}

const room = (memory) => new Float32Array(memory()).fill(UNTOUCHED);
const FORMS = {
  'new gradient': { ...LOSS, gradientFor: () => undefined },
  out: { ...LOSS, gradientFor: (_, memory) => room(memory) },
  'in place': { ...LOSS, gradientFor: (logits) => logits },
  'linear, new gradient': { ...LINEAR, gradientFor: () => undefined },
  'linear, out': { ...LINEAR, gradientFor: (_, memory) => room(memory) },
};

/** What may be done to a buffer meanwhile; it need not work. Returns what took the memory over. */
const ACTIONS = {
  transfer: (buffer) => buffer.transfer?.(),
  'transfer to another length': (buffer) => buffer.transfer?.(bytes / 2),
  structuredClone: (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  post: (buffer) => {
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(buffer, [buffer]);
    } finally {
      port1.close();
      port2.close();
    }
  },
  'byte stream': (buffer) => {
    const reader = new ReadableStream({ type: 'bytes', pull() {} }).getReader({ mode: 'byob' });
    reader.read(new Uint8Array(buffer)).catch(() => {});
  },
  shrink: (buffer) => buffer.resize(bytes / 2),
  'shrink to nothing': (buffer) => buffer.resize(0),
  grow: (buffer) => {
    if (memories.has(buffer)) memories.get(buffer).grow(1);
    else if (types.isSharedArrayBuffer(buffer)) buffer.grow(2 * bytes);
    else buffer.resize(2 * bytes);
  },
  abort: (_buffer, controller) => controller.abort(REASON),
  'write to it': (buffer) => new Uint8Array(buffer).fill(0),
  nothing: () => {},
};

/** Waits: turns of the event loop, or time that it stands still. */
const MOMENTS = [0, 1, 2, 4, 8].flatMap((turns) => [0, 0.1, 0.3].map((milliseconds) => ({ turns, milliseconds })));

async function wait({ turns, milliseconds }) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  for (let i = 0; i < turns; i++) await turn();
}

const counts = { calls: 0, results: 0, detached: 0, aborted: 0, borrowed: 0, 'stayed in place': 0 };

async function run(memory, form, action, moment, borrow, queued) {
  const input = new Float32Array(memory());
  input.set(values);
  const gradient = form.gradientFor(input, memory);
  const inPlace = gradient === input;
  const controller = new AbortController();
  const others = Array.from({ length: queued }, () =>
    core.fusedBearLossAsync(values, targets, { ...slow, gradient: false }),
  );
  const { signal } = controller;
  const call = form.start(input, gradient, { borrow, signal }).then(
    (result) => ({ result }),
    (error) => ({ error }),
  );
  await wait(moment);
  let taker;
  for (const { buffer } of new Set(gradient ? [input, gradient] : [input])) {
    const before = buffer.byteLength;
    try {
      taker = action(buffer, controller);
    } catch {
      // Not this kind of buffer, or one that stays.
    }
    if (buffer.byteLength === before) counts['stayed in place']++;
  }
  const taken = taker instanceof ArrayBuffer && taker.byteLength === bytes ? new Uint8Array(taker) : undefined;
  const bytesThen = taken?.slice();
  const { result, error } = await call;
  counts.calls++;
  if (isBorrowed(input.buffer, borrow)) counts.borrowed++;
  if (error === undefined) counts.results++;
  else if (error === REASON) counts.aborted++;
  else if (error.code === 'ERR_BEAR_BUFFER_DETACHED') counts.detached++;
  else throw error;
  // What was written to meanwhile is what was computed, or was overwritten.
  if (result !== undefined && action !== ACTIONS['write to it']) {
    const { expected, gradientOf } = form;
    assert.strictEqual(result.loss, expected.loss);
    // V8's compiled code may still see the old length of an array whose WebAssembly memory has grown (Node 20).
    const found = gradientOf(result);
    if (found.length === length && found.buffer.byteLength > 0) assert.deepStrictEqual(found, gradientOf(expected));
  }
  await Promise.all(others);
  await core.fusedBearLossAsync(values, targets, { ...slow, gradient: false });
  if (taken !== undefined) assert.deepStrictEqual(taken, bytesThen);
  if (error === REASON && !inPlace && gradient && !isBorrowed(gradient.buffer, borrow)) {
    assert(gradient.every((value) => value === UNTOUCHED));
  }
}

const { isMarkedAsUntransferable = () => false } = require('node:worker_threads');
const isBorrowed = (buffer, borrow) =>
  types.isSharedArrayBuffer(buffer) || (borrow && isMarkedAsUntransferable(buffer));

async function main() {
  for (const memory of Object.values(MEMORIES)) {
    for (const form of Object.values(FORMS)) {
      for (const action of Object.values(ACTIONS)) {
        for (const moment of MOMENTS) {
          for (const borrow of [false, true]) await run(memory, form, action, moment, borrow, counts.calls % 4);
        }
      }
    }
  }
  console.log(JSON.stringify(counts));
}

main();
