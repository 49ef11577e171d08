// Every public call, a line each. The harnesses take the calls from here (docs/robustness.md): failing allocations, memory
// that changes, and any value in any position. A new public function enters all of them with one line.
const core = require('fused-bear-loss');
const cuda = require('fused-bear-loss/cuda');
const decoding = require('fused-bear-loss/decoding');

const ROWS = 3;
const VOCAB_SIZE = 5;

// What depends on the number of tokens takes it as `size`. Every size of at least 5 will do.
const logits = (size) => Float32Array.from({ length: ROWS * size }, (_, index) => 4 * Math.sin(index));
const targets = () => Int32Array.of(1, 4, 2);
const lists = () => ({ offsets: Int32Array.of(0, 2, 4, 7), tokens: Int32Array.of(0, 1, 3, 4, 0, 2, 4) });
const bitmask = (size) => ({ bitmask: new Uint32Array(ROWS * Math.ceil(size / 32)).fill(0xffffffff) });
const halves = (size) => new Uint16Array(ROWS * size).fill(0x3c00);
const room = (size) => ({ gradLogits: new Float32Array(ROWS * size) });
const shared = (array) => {
  const copy = new array.constructor(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
};
const sequences = () => [[0, 1], [0, 2], [1, 0, 3], [4]];
const trie = () => decoding.TokenTrie.fromSequences(sequences(), [7, 3, 9, 5]);
const step = ({ allowed }) => ({
  logits: new Float32Array(allowed.tokens.length),
  layout: 'allowed',
  state: undefined,
});
const search = () => ({ step, trie: trie(), users: 2 });

const factors = (size) => [
  Float32Array.from({ length: ROWS * 2 }, (_, index) => Math.cos(index)),
  Float32Array.from({ length: size * 2 }, (_, index) => Math.sin(index)),
];

const part = (size) => ({ firstToken: 0, vocabSize: size });
const merged = (size, options) =>
  core.mergeBearPartials([core.bearPartials(logits(size), targets(), { ...part(size), ...options })], {
    vocabSize: size,
    ...options,
  });

const sized =
  (make) =>
  (size = VOCAB_SIZE) =>
    make(size);
const loss = (name, make) => ({ name: `fusedBearLoss ${name}`, run: core.fusedBearLoss, makeArguments: sized(make) });
const lossAsync = (name, make) => ({
  name: `fusedBearLossAsync ${name}`,
  run: core.fusedBearLossAsync,
  makeArguments: sized(make),
});
const linear = (name, make) => ({
  name: `fusedLinearBearLoss ${name}`,
  run: core.fusedLinearBearLoss,
  makeArguments: sized(make),
});
const linearAsync = (name, make) => ({
  name: `fusedLinearBearLossAsync ${name}`,
  run: core.fusedLinearBearLossAsync,
  makeArguments: sized(make),
});
const best = (name, make) => ({ name: `topTokens ${name}`, run: core.topTokens, makeArguments: sized(make) });
const linearBest = (name, make) => ({
  name: `linearTopTokens ${name}`,
  run: core.linearTopTokens,
  makeArguments: sized(make),
});
const ofTrie = (method, ...rest) => ({
  name: `TokenTrie.${method}`,
  run: (catalogue, ...args) => catalogue[method](...args),
  hasReceiver: true,
  makeArguments: () => [trie(), ...rest.map((make) => make())],
});

/**
 * @typedef {object} PublicCall
 * @property {string} name
 * @property {(...args: any[]) => unknown} run the call; may return a promise
 * @property {(vocabSize?: number) => any[]} makeArguments fresh arguments with which it succeeds; default: the smallest
 * @property {boolean} [hasReceiver] whether the first argument is the object whose method is called
 */

/** @type {PublicCall[]} */
const publicCalls = [
  loss('plain', (size) => [logits(size), targets()]),
  loss('rows and out', (size) => [
    logits(size),
    targets(),
    { rows: true, out: room(size), penalty: 'softplus', beamWidth: 40, threads: 2 },
  ]),
  loss('of a tensor', (size) => [{ data: halves(size), shape: [ROWS, size], dtype: 'bfloat16' }, targets()]),
  loss('with lists', (size) => [logits(size), targets(), { allowed: lists(), gradient: 'in-place-sparse' }]),
  loss('of the lists alone', (size) => [
    logits(size),
    targets(),
    { allowed: lists(), gradient: 'sparse', out: { gradLogits: new Float32Array(7) }, thresholdGradient: 'flow' },
  ]),
  loss('with a bitmask', (size) => [
    logits(size),
    targets(),
    { allowed: bitmask(size), thresholdGradient: 'flow', penaltyWeights: new Float32Array(ROWS).fill(1) },
  ]),
  loss('row by row', (size) => [
    logits(size),
    targets(),
    { reduction: 'none', gradOutput: new Float32Array(ROWS).fill(1), thresholdGradient: 'flow' },
  ]),
  loss('weighted', (size) => [
    logits(size),
    [1, 4, 2],
    {
      reduction: 'weighted-mean',
      penalty: 'reweight',
      tokenWeights: new Float32Array(ROWS).fill(1),
      labelSmoothing: 0.1,
    },
  ]),
  lossAsync('plain', (size) => [logits(size), targets()]),
  lossAsync('with a signal', (size) => [
    logits(size),
    targets(),
    { signal: new AbortController().signal, out: room(size) },
  ]),
  lossAsync('borrowed', (size) => [logits(size), targets(), { borrow: true, out: room(size), rows: true }]),
  lossAsync('borrowed in place', (size) => [
    logits(size),
    targets(),
    { borrow: true, gradient: 'in-place', reduction: 'weighted-mean', tokenWeights: new Float32Array(ROWS).fill(1) },
  ]),
  lossAsync('of shared memory', (size) => [
    shared(logits(size)),
    targets(),
    { out: { gradLogits: shared(logits(size)) } },
  ]),
  lossAsync('of shared memory, into an array', (size) => [shared(logits(size)), targets(), { out: room(size) }]),
  lossAsync('with lists', (size) => [logits(size), targets(), { allowed: lists(), rows: true, gradient: 'in-place' }]),
  lossAsync('of the lists alone', (size) => [
    logits(size),
    targets(),
    { allowed: lists(), gradient: 'sparse', out: { gradLogits: new Float32Array(7) } },
  ]),
  best('of a narrow beam', (size) => [logits(size), 2, { vocabSize: size }]),
  best('of a wide beam', (size) => [logits(size), 40, { vocabSize: size, threads: 2 }]),
  best('of allowed logits', () => [new Float32Array(7), 2, { layout: 'allowed', allowed: lists() }]),
  best('with out', (size) => [
    { data: halves(size), shape: [ROWS, size], dtype: 'float16' },
    2,
    { allowed: bitmask(size), out: { tokens: new Int32Array(6), logProbabilities: new Float32Array(6) } },
  ]),
  linear('plain', (size) => [...factors(size), targets(), { hiddenSize: 2 }]),
  linear('with everything', (size) => [
    ...factors(size),
    targets(),
    {
      hiddenSize: 2,
      bias: new Float32Array(size),
      allowed: bitmask(size),
      reduction: 'weighted-mean',
      penalty: 'reweight',
      rows: true,
      workspaceBytes: 64 * Math.ceil(size / 16),
      threads: 2,
      accumulate: true,
      out: { gradHidden: new Float32Array(ROWS * 2), gradWeight: new Float32Array(size * 2) },
    },
  ]),
  linear('of tensors', (size) => [
    { data: halves(2).subarray(0, ROWS * 2), shape: [ROWS, 2], dtype: 'bfloat16' },
    { data: new Uint16Array(size * 2), shape: [size, 2], dtype: 'bfloat16' },
    targets(),
    { allowed: bitmask(size), reduction: 'none', gradOutput: new Float32Array(ROWS).fill(1) },
  ]),
  linear('with lists', (size) => [
    ...factors(size),
    targets(),
    { hiddenSize: 2, allowed: { ...lists(), bias: new Float32Array(7) }, sparseWeightGradient: true, rows: true },
  ]),
  linear('with lists, into arrays', (size) => [
    ...factors(size),
    targets(),
    {
      hiddenSize: 2,
      bias: new Float32Array(size),
      allowed: { ...lists(), bias: new Float32Array(7) },
      workspaceBytes: 128,
      threads: 2,
      out: { gradWeight: new Float32Array(size * 2), gradAllowedBias: new Float32Array(7) },
    },
  ]),
  linearAsync('plain', (size) => [
    ...factors(size),
    targets(),
    { hiddenSize: 2, signal: new AbortController().signal, bias: new Float32Array(size) },
  ]),
  linearAsync('borrowed', (size) => [
    ...factors(size),
    targets(),
    { hiddenSize: 2, borrow: true, rows: true, out: { gradHidden: new Float32Array(ROWS * 2) } },
  ]),
  linearAsync('of shared memory, into an array', (size) => [
    ...factors(size).map(shared),
    targets(),
    { hiddenSize: 2, out: { gradWeight: new Float32Array(size * 2) }, accumulate: true, allowed: bitmask(size) },
  ]),
  linearAsync('with lists', (size) => [
    ...factors(size),
    targets(),
    {
      hiddenSize: 2,
      allowed: { ...lists(), bias: new Float32Array(7) },
      out: { gradAllowedBias: new Float32Array(7) },
      sparseWeightGradient: true,
    },
  ]),
  linearBest('plain', (size) => [...factors(size), 2, { hiddenSize: 2, bias: new Float32Array(size) }]),
  linearBest('with a bitmask, into arrays', (size) => [
    { data: halves(2).subarray(0, ROWS * 2), shape: [ROWS, 2], dtype: 'bfloat16' },
    { data: new Uint16Array(size * 2), shape: [size, 2], dtype: 'bfloat16' },
    40,
    {
      allowed: bitmask(size),
      workspaceBytes: 64 * Math.ceil(size / 16),
      threads: 2,
      out: { tokens: new Int32Array(ROWS * 40), logSumExp: new Float32Array(ROWS) },
    },
  ]),
  linearBest('with lists', (size) => [
    ...factors(size),
    2,
    { hiddenSize: 2, allowed: { ...lists(), bias: new Float32Array(7) }, workspaceBytes: 128, softcap: 20 },
  ]),
  {
    name: 'bearPartials',
    run: core.bearPartials,
    makeArguments: sized((size) => [logits(size), targets(), part(size)]),
  },
  {
    name: 'bearPartials with lists',
    run: core.bearPartials,
    makeArguments: sized((size) => [
      { data: halves(size), shape: [ROWS, size], dtype: 'bfloat16' },
      targets(),
      { ...part(size), allowed: lists(), labelSmoothing: 0.1, beamWidth: 40, threads: 2 },
    ]),
  },
  {
    name: 'mergeBearPartials',
    run: core.mergeBearPartials,
    makeArguments: sized((size) => [[core.bearPartials(logits(size), targets(), part(size))], { vocabSize: size }]),
  },
  {
    name: 'bearShardGradient',
    run: core.bearShardGradient,
    makeArguments: sized((size) => [
      logits(size),
      targets(),
      merged(size, {}),
      { ...part(size), rows: true, out: room(size), thresholdGradient: 'flow' },
    ]),
  },
  {
    name: 'bearShardGradient with a bitmask',
    run: core.bearShardGradient,
    makeArguments: sized((size) => [
      logits(size),
      targets(),
      merged(size, { allowed: bitmask(size), labelSmoothing: 0.1 }),
      { ...part(size), allowed: bitmask(size), labelSmoothing: 0.1, reduction: 'weighted-mean' },
    ]),
  },
  { name: 'capabilities', run: core.capabilities, makeArguments: () => [] },
  {
    name: 'TokenTrie.fromSequences',
    run: (...args) => decoding.TokenTrie.fromSequences(...args),
    makeArguments: () => [sequences(), [7, 3, 9, 5]],
  },
  {
    name: 'TokenTrie.fromLists',
    run: (...args) => decoding.TokenTrie.fromLists(...args),
    makeArguments: () => [lists()],
  },
  {
    name: 'TokenTrie.load',
    run: (...args) => decoding.TokenTrie.load(...args),
    makeArguments: () => [trie().serialize()],
  },
  ofTrie(
    'insert',
    () => [[2, 2]],
    () => [11],
  ),
  ofTrie('remove', () => [7]),
  ofTrie('serialize'),
  ofTrie('childCount', () => 0),
  ofTrie('childTokens', () => 0),
  ofTrie('firstChild', () => 0),
  ofTrie(
    'child',
    () => 0,
    () => 1,
  ),
  ofTrie('find', () => [0, 1]),
  ofTrie('isLeaf', () => 0),
  ofTrie('parent', () => 1),
  ofTrie('lastToken', () => 1),
  ofTrie('path', () => 4),
  ofTrie('nextChoice', () => 0),
  ofTrie('items', () => 4),
  ofTrie('leafOf', () => 9),
  ofTrie('allowed', () => Int32Array.of(0, 1)),
  {
    name: 'beamSearch',
    run: decoding.beamSearch,
    makeArguments: () => [{ ...search(), beamWidth: 2, temperature: 0.5, softcap: 20 }],
  },
  { name: 'exactTopItems', run: decoding.exactTopItems, makeArguments: () => [{ ...search(), count: 2 }] },
  {
    name: 'traceTargets',
    run: decoding.traceTargets,
    makeArguments: () => [{ ...search(), targets: Int32Array.of(7, 3) }],
  },
  {
    name: 'prunedByStep',
    run: decoding.prunedByStep,
    makeArguments: () => [{ droppedAt: [-1, 1], steps: [2, 2] }, [1, 1]],
  },
  {
    name: 'rankOfItem',
    run: decoding.rankOfItem,
    makeArguments: () => [[{ items: Int32Array.of(7), score: -1, logProbability: -1 }], 7],
  },
  { name: 'hitRatioAt', run: decoding.hitRatioAt, makeArguments: () => [[0, -1, 4], 2] },
  { name: 'hitsAt', run: decoding.hitsAt, makeArguments: () => [[0, -1, 4], 2] },
  { name: 'discountedGainsAt', run: decoding.discountedGainsAt, makeArguments: () => [[0, -1, 4], 2] },
  { name: 'reciprocalRanks', run: decoding.reciprocalRanks, makeArguments: () => [[0, -1, 4], 2] },
  { name: 'ndcgAt', run: decoding.ndcgAt, makeArguments: () => [[0, -1, 4], 2] },
  { name: 'meanReciprocalRank', run: decoding.meanReciprocalRank, makeArguments: () => [[0, -1, 4], 2] },
  { name: 'pruningRate', run: decoding.pruningRate, makeArguments: () => [[0, -1, 4], [-1, 0, 1], 2] },
  { name: 'pruningRows', run: decoding.pruningRows, makeArguments: () => [[0, -1, 4], [-1, 0, 1], 2] },
];

// Those that need a device, apart from the others: only the tests' addon emulates one.

const { DeviceTensor, CudaStream } = cuda;
const onDevice = (data, shape = [data.length], dtype = undefined) => DeviceTensor.fromHost(data, shape, dtype);
const logitsOnDevice = (size) => onDevice(logits(size), [ROWS, size]);
const disposing = (use) => (made) => {
  try {
    return use(made);
  } finally {
    made.dispose();
  }
};
const hostCopy = disposing((tensor) => tensor.toHost());

/** The loss on the device, its results in host memory. */
async function deviceLoss(...args) {
  const result = cuda.fusedBearLoss(...args);
  try {
    return [await result.read(), result.loss.toHost(), result.gradLogits?.toHost(), result.rows?.nll.toHost()];
  } finally {
    result.dispose();
  }
}

/** @type {PublicCall[]} their results are in host memory, and what they make is disposed */
const deviceCalls = [
  loss('staged', (size) => [logits(size), targets(), { device: 'cuda', rows: true, allowed: lists() }]),
  loss('staged in place', (size) => [
    logits(size),
    targets(),
    { device: 'cuda', gradient: 'in-place', reduction: 'weighted-mean', penalty: 'reweight' },
  ]),
  lossAsync('staged', (size) => [logits(size), targets(), { device: 'cuda', out: room(size) }]),
  {
    name: 'fusedBearLoss on the device',
    run: deviceLoss,
    makeArguments: sized((size) => [logitsOnDevice(size), targets(), { rows: true, allowed: lists() }]),
  },
  {
    // Not read: what is enqueued writes to the caller's tensor, whatever becomes of the reading.
    name: 'fusedBearLoss on the device with out',
    run: (...args) => cuda.fusedBearLoss(...args).dispose(),
    makeArguments: sized((size) => [
      logitsOnDevice(size),
      onDevice(targets()),
      { out: { gradLogits: DeviceTensor.allocate([ROWS, size], 'float32') } },
    ]),
  },
  {
    name: 'DeviceTensor.allocate',
    run: (...args) => hostCopy(DeviceTensor.allocate(...args)),
    makeArguments: () => [[2, 3], 'int32'],
  },
  {
    name: 'DeviceTensor.fromHost',
    run: (...args) => hostCopy(DeviceTensor.fromHost(...args)),
    makeArguments: sized((size) => [logits(size), [ROWS, size]]),
  },
  {
    name: 'DeviceTensor.toHostAsync',
    run: (tensor) => tensor.toHostAsync(),
    makeArguments: sized((size) => [logitsOnDevice(size)]),
  },
  {
    name: 'DeviceTensor.copyFrom',
    run: (tensor, source) => tensor.copyFrom(source),
    makeArguments: () => [onDevice(Float32Array.of(7, 7)), onDevice(Float32Array.of(1, 2))],
  },
  {
    name: 'CudaStream.create',
    run: () => disposing((stream) => stream.synchronize())(CudaStream.create()),
    makeArguments: () => [],
  },
  {
    name: 'deviceMemory',
    run: () => cuda.deviceMemory().releaseCached(),
    makeArguments: () => [],
  },
];

module.exports = { publicCalls, deviceCalls };
