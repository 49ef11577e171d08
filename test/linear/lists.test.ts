/** The linear form of allowed tokens alone: lists that rows share, a bias per entry, sparse gradients. */
import { fusedLinearBearLoss, fusedLinearBearLossAsync } from '../../lib/index';
import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { decode } from '../support/dtype';
import { SeededRandom } from '../support/random';
import { expectClose, expectFloatGradient, LINEAR } from '../support/tolerance';
import { argumentsOf, bitsOf, type DenseOptions, type LinearCall, linearReference, randomCall } from './linear-call';

const SHAPE = { rows: 60, vocabSize: 700, hiddenSize: 150 };

/** Lists of 1 to 300 tokens, each of several rows, and some of one row alone. */
function listedCall(
  seed: number,
  options: DenseOptions = {},
  dtype: LinearCall['dtype'] = 'float32',
  hiddenSize = SHAPE.hiddenSize,
) {
  const random = new SeededRandom(seed);
  const shared = [1, 2, 20, 65, 300].map((count) => random.sample(count, SHAPE.vocabSize));
  const lists = Array.from({ length: SHAPE.rows }, (_, row) =>
    row % 4 === 0 ? random.sample(1 + random.integer(30), SHAPE.vocabSize) : (shared[row % 5] as number[]),
  );
  const call = randomCall(seed, { ...SHAPE, hiddenSize }, options, dtype);
  call.targets.set(lists.map((tokens) => tokens[random.integer(tokens.length)] as number));
  const entries = lists.reduce((sum, tokens) => sum + tokens.length, 0);
  const bias = random.normals(entries);
  for (const row of [3, 17, 18]) call.targets[row] = -100;
  return { ...call, options: { ...call.options, allowed: { ...csrOf(lists), bias } }, lists };
}

function expectWhole(actual: Float32Array, expected: Float64Array): void {
  expectFloatGradient(actual, expected, expected.length, LINEAR.gradient);
}

// bfloat16 factors of 160 columns are those of whole tiles of AMX.
describe.each([
  ['float32', 150],
  ['bfloat16', 150],
  ['bfloat16', 160],
] as const)('%s, H = %i', (dtype, hiddenSize) => {
  it.each<[string, DenseOptions]>([
    ['mean', { bias: new SeededRandom(8).normals(700) }],
    ['weighted-mean', { reduction: 'weighted-mean', penalty: 'reweight' }],
    ['smoothing, flow', { labelSmoothing: 0.2, penalty: 'softplus', thresholdGradient: 'flow', beamWidth: 3 }],
    ['an ignore index that is a position in lists', { ignoreIndex: 1, beamWidth: 2 }],
  ])('agrees with the float64 reference: %s', (_, options) => {
    const call = listedCall(41, options, dtype, hiddenSize);
    if (options.ignoreIndex !== undefined) {
      call.targets.forEach((target, row) => {
        if (target === -100) call.targets[row] = options.ignoreIndex as number;
      });
    }
    const result = fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined, rows: true });
    const reference = linearReference(call);
    expectClose(result.loss as unknown as number, reference.loss.loss as number, LINEAR.loss, 'loss');
    expect(Array.from(result.rows.rank)).toEqual(Array.from(reference.loss.rows.rank));
    const tolerance = dtype === 'float32' ? LINEAR.gradient : 2 ** -8;
    expectFloatGradient(decode(result.gradHidden, dtype), reference.gradHidden, hiddenSize, tolerance);
    expectWhole(result.gradWeight, reference.gradWeight);
    expectWhole(result.gradAllowedBias as Float32Array, reference.gradAllowedBias);
    if (options.bias) expectWhole(result.gradBias as Float32Array, reference.gradBias);
  });

  it('has the same bits for any number of threads and any workspace', () => {
    const options = { bias: new SeededRandom(8).normals(700), reduction: 'weighted-mean' } as const;
    const call = listedCall(42, options, dtype, hiddenSize);
    const run = (more: DenseOptions) =>
      bitsOf(fusedLinearBearLoss(...argumentsOf(call), { ...call.options, rows: true, ...more }));
    const expected = run({ threads: 1 });
    expect(Object.keys(expected)).toContain('gradAllowedBias');
    for (const threads of [2, 3, 7]) expect(run({ threads })).toEqual(expected);
    for (const workspaceBytes of [1216, 5000, 20_000, 100_000]) expect(run({ workspaceBytes })).toEqual(expected);
  });
});

it.each([
  ['float32', 150],
  ['bfloat16', 150],
  ['bfloat16', 160],
] as const)('its logits are bit for bit those of all tokens: %s, H = %i', (dtype, hiddenSize) => {
  const call = listedCall(43, {}, dtype, hiddenSize);
  const { bias: _, ...allowed } = call.options.allowed;
  const masked = { bitmask: bitmaskOf(call.lists, SHAPE.vocabSize).bitmask };
  const run = (options: DenseOptions) =>
    fusedLinearBearLoss(...argumentsOf(call), { ...call.options, ...options, needs: ['hidden'], rows: true });
  const [listed, dense] = [run({ allowed }), run({ allowed: masked })];
  // Differences of two logits, and nothing else.
  expect(listed.rows.margin).toEqual(dense.rows.margin);
  expect(listed.rows.rank).toEqual(dense.rows.rank);
});

it('a sparse gradient has the rows of the dense one, of listed tokens', () => {
  const call = listedCall(44);
  const options = { ...call.options, needs: ['weight'] } as const;
  const dense = fusedLinearBearLoss(...argumentsOf(call), options);
  const { gradWeight } = fusedLinearBearLoss(...argumentsOf(call), { ...options, sparseWeightGradient: true });
  const tokens = [...new Set(call.lists.flat())].sort((a, b) => a - b);
  expect(Array.from(gradWeight.rows)).toEqual(tokens);
  expect(gradWeight.values).toHaveLength(tokens.length * 150);
  tokens.forEach((token, place) => {
    expect(gradWeight.values.subarray(place * 150, place * 150 + 150)).toEqual(
      dense.gradWeight.subarray(token * 150, token * 150 + 150),
    );
  });
  const isListed = new Set(tokens);
  const rest = dense.gradWeight.filter((_, i) => !isListed.has(Math.floor(i / 150)));
  expect(rest.every((value) => value === 0)).toBe(true);
});

it('a sparse gradient has the same bits for any workspace, and rows of 0 where only ignored rows list a token', () => {
  const call = listedCall(47);
  // More than 64 KB, which may hold anything when it is new.
  const ignored = new Set(call.lists[3]);
  call.lists.forEach((list, row) => {
    if (list.some((token) => ignored.has(token))) call.targets[row] = -100;
  });
  // A row without a choice has no gradient.
  const counted = call.lists.filter((list, row) => call.targets[row] !== -100 && list.length > 1);
  const run = (workspaceBytes: number) =>
    fusedLinearBearLoss(...argumentsOf(call), {
      ...call.options,
      needs: ['weight'],
      sparseWeightGradient: true,
      workspaceBytes,
    }).gradWeight;
  const expected = run(1 << 25);
  expect(expected.values.byteLength).toBeGreaterThan(1 << 16);
  const rowOf = (place: number) => expected.values.subarray(place * 150, place * 150 + 150);
  expected.rows.forEach((token, place) => {
    expect(rowOf(place).some((value) => value !== 0)).toBe(counted.some((list) => list.includes(token)));
  });
  for (const workspaceBytes of [1216, 5000, 20_000]) expect(run(workspaceBytes)).toEqual(expected);
});

it('writes over what the caller gives, and adds to it where it accumulates', () => {
  const call = listedCall(45);
  const out = () => ({
    gradHidden: new Float32Array(60 * 150).fill(1),
    gradWeight: new Float32Array(700 * 150).fill(1),
    gradAllowedBias: new Float32Array(call.options.allowed.tokens.length).fill(1),
  });
  const fresh = fusedLinearBearLoss(...argumentsOf(call), call.options);
  const over = out();
  expect(fusedLinearBearLoss(...argumentsOf(call), { ...call.options, out: over })).toEqual(fresh);
  const onto = out();
  fusedLinearBearLoss(...argumentsOf(call), { ...call.options, out: onto, accumulate: true });
  for (const name of ['gradHidden', 'gradWeight', 'gradAllowedBias'] as const) {
    const added = over[name].map((value) => value + 1);
    const error = onto[name].map((value, i) => Math.abs(value - (added[i] as number)));
    expect(Math.max(...error)).toBeLessThan(1e-6);
  }
});

it('without a counted row every gradient is 0', () => {
  const call = listedCall(46);
  call.targets.fill(-100);
  const result = fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined });
  for (const name of ['gradHidden', 'gradWeight', 'gradAllowedBias'] as const) {
    expect((result[name] as Float32Array).every((value) => value === 0)).toBe(true);
  }
});

it.each<[string, object, string, string]>([
  ['a bias of another length', { allowed: { bias: new Float32Array(6) } }, 'ERR_BEAR_SHAPE', 'allowed.bias'],
  ['a bias of another type', { allowed: { bias: [1] } }, 'ERR_BEAR_ARGUMENT_TYPE', 'allowed.bias'],
  ['too small a workspace', { workspaceBytes: 63 }, 'ERR_BEAR_OPTION_VALUE', 'workspaceBytes'],
  [
    'a sparse gradient that is not needed',
    { needs: ['hidden'], sparseWeightGradient: true },
    'ERR_BEAR_OPTION_CONFLICT',
    'sparseWeightGradient',
  ],
  [
    'a sparse gradient in dense memory',
    { sparseWeightGradient: true, out: { gradWeight: new Float32Array(10) } },
    'ERR_BEAR_OPTION_CONFLICT',
    'sparseWeightGradient',
  ],
  ['the gradient of no bias', { needs: ['allowedBias'] }, 'ERR_BEAR_OPTION_CONFLICT', 'needs'],
  ['an unknown member', { allowed: { biases: new Float32Array(7) } }, 'ERR_BEAR_OPTION_UNKNOWN', 'allowed.biases'],
])('refuses %s', (_, changes, code, argument) => {
  const lists = { offsets: Int32Array.of(0, 2, 4, 7), tokens: Int32Array.of(0, 1, 3, 4, 0, 2, 4) };
  const { allowed = {}, ...options } = changes as { allowed?: object };
  const run = () =>
    fusedLinearBearLoss(new Float32Array(6), new Float32Array(10), [1, 4, 2], {
      allowed: { ...lists, ...allowed },
      ...options,
    } as object);
  expect(run).toThrow(expect.objectContaining({ code, argument }));
});

it.each<[string, object]>([
  ['without lists', {}],
  ['with a bitmask', { allowed: { bitmask: new Uint32Array(3).fill(31) } }],
])('refuses a sparse gradient %s', (_, options) => {
  const run = () =>
    fusedLinearBearLoss(new Float32Array(6), new Float32Array(10), [1, 4, 2], {
      ...options,
      sparseWeightGradient: true,
    } as object);
  expect(run).toThrow(expect.objectContaining({ code: 'ERR_BEAR_OPTION_CONFLICT', argument: 'sparseWeightGradient' }));
});

it('has a sparse gradient without rows where no token is listed', async () => {
  const hidden = { data: new Float32Array(6).fill(1), shape: [2, 3] };
  const weight = { data: new Float32Array(12).fill(1), shape: [4, 3] };
  const allowed = { offsets: Int32Array.of(0, 0, 0), tokens: new Int32Array(0) };
  const options = { allowed, sparseWeightGradient: true, needs: ['weight'] } as const;
  const nothing = { rows: new Int32Array(0), values: new Float32Array(0) };
  expect(fusedLinearBearLoss(hidden, weight, [-100, -100], options).gradWeight).toEqual(nothing);
  const later = await fusedLinearBearLossAsync(hidden, weight, [-100, -100], options);
  expect(later.gradWeight).toEqual(nothing);
});
