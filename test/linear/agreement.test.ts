/** The linear form against the float64 reference: every option, every gradient, both dtypes, edges of every block. */
import { fusedLinearBearLoss } from '../../lib/index';
import { csrOf } from '../support/allowed-tokens';
import { decode } from '../support/dtype';
import { PENALTIES, REDUCTIONS } from '../support/option-lists';
import { SeededRandom } from '../support/random';
import { expectAllClose, expectClose, expectFloatGradient, LINEAR } from '../support/tolerance';
import { argumentsOf, type DenseOptions, type LinearCall, linearReference, randomCall } from './linear-call';

/** bfloat16 gradients are rounded once: half a unit of their 8 bits. */
const ROUNDED = 2 ** -8;

function expectAgreement(call: LinearCall): void {
  const result = fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined, rows: true });
  const reference = linearReference(call);
  const { loss } = reference;
  if (typeof loss.loss === 'number') expectClose(result.loss as unknown as number, loss.loss, LINEAR.loss, 'loss');
  else expectAllClose(result.loss as unknown as Float32Array, loss.loss, LINEAR.loss, 'loss');
  expect(result.countedRows).toBe(loss.countedRows);
  expect(Array.from(result.rows.rank)).toEqual(Array.from(loss.rows.rank));
  for (const name of ['nll', 'logSumExp', 'threshold', 'margin', 'penalty'] as const) {
    expectAllClose(result.rows[name], loss.rows[name], LINEAR.loss, name);
  }
  const tolerance = call.dtype === 'float32' ? LINEAR.gradient : ROUNDED;
  expectFloatGradient(decode(result.gradHidden, call.dtype), reference.gradHidden, call.hiddenSize, tolerance);
  expectWholeGradient(result.gradWeight, reference.gradWeight);
  if (call.options.bias) expectWholeGradient(result.gradBias as Float32Array, reference.gradBias);
}

// By the largest entry of all: a row of the weight's gradient may be a difference of large terms.
function expectWholeGradient(actual: Float32Array, expected: Float64Array): void {
  expect(actual).toHaveLength(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    error = Math.max(error, Math.abs((actual[i] as number) - (expected[i] as number)));
  }
  expect(error).toBeLessThanOrEqual(LINEAR.gradient * largest);
}

const bias = (size: number) => new SeededRandom(3).normals(size);

describe.each(['float32', 'bfloat16'] as const)('%s', (dtype) => {
  // Around the sizes of tiles and blocks: 6 rows, 64 columns, 128 terms, 96 and 192 tokens.
  it.each([
    { rows: 1, vocabSize: 1, hiddenSize: 1 },
    { rows: 1, vocabSize: 7, hiddenSize: 3 },
    { rows: 5, vocabSize: 95, hiddenSize: 16 },
    { rows: 7, vocabSize: 97, hiddenSize: 127 },
    { rows: 17, vocabSize: 191, hiddenSize: 64 },
    { rows: 63, vocabSize: 193, hiddenSize: 129 },
    { rows: 66, vocabSize: 385, hiddenSize: 257 },
    { rows: 131, vocabSize: 130, hiddenSize: 65 },
    { rows: 47, vocabSize: 209, hiddenSize: 96 },
  ])('$rows rows, $vocabSize tokens, hidden size $hiddenSize', (shape) => {
    expectAgreement(randomCall(7, shape, { beamWidth: 4, bias: bias(shape.vocabSize) }, dtype));
  });

  const shape = { rows: 13, vocabSize: 210, hiddenSize: 33 };

  it.each(PENALTIES)('penalty %s', (penalty) => {
    expectAgreement(randomCall(11, shape, { penalty, xi: 0.7, margin: 0.5, bias: bias(210) }, dtype));
  });

  it.each(REDUCTIONS)('reduction %s', (reduction) => {
    const call = randomCall(12, shape, { penalty: 'reweight', reduction }, dtype);
    call.targets[2] = -100;
    call.targets[12] = -100;
    call.options.tokenWeights = new SeededRandom(1).normals(13, 0.2, 1);
    call.options.penaltyWeights = new SeededRandom(2).normals(13, 0.2, 1);
    expectAgreement(call);
    // A row at a time.
    expectAgreement({ ...call, options: { ...call.options, workspaceBytes: 896 } });
  });

  it.each<[string, DenseOptions]>([
    ['labelSmoothing', { labelSmoothing: 0.1 }],
    ['zLoss', { zLoss: 0.01 }],
    ['softcap and temperature', { softcap: 3, temperature: 0.7 }],
    ['thresholdGradient', { thresholdGradient: 'flow', penalty: 'softplus' }],
    ['normalizer and gradOutput', { normalizer: 40, gradOutput: -3 }],
    ['gradOutput by row', { reduction: 'none', gradOutput: new SeededRandom(4).normals(13) }],
    ['ignoreIndex', { ignoreIndex: 17 }],
  ])('%s', (_, options) => {
    const call = randomCall(13, shape, options, dtype);
    call.targets[4] = 17;
    expectAgreement(call);
  });

  it('a bitmask', () => {
    const words = Math.ceil(shape.vocabSize / 32);
    const bitmask = Uint32Array.from({ length: shape.rows * words }, (_, index) => 0x5a5a5a5a ^ (index * 0x01010101));
    const call = randomCall(14, shape, { allowed: { bitmask }, bias: bias(210) }, dtype);
    call.targets.forEach((target, row) => {
      const word = row * words + (target >> 5);
      bitmask[word] = (bitmask[word] as number) | (1 << (target & 31));
    });
    call.targets[5] = -100;
    expectAgreement(call);
    expectAgreement({ ...call, options: { ...call.options, workspaceBytes: 3 * 896 } });
  });

  it('lists', () => {
    const call = randomCall(15, shape, { bias: bias(210) }, dtype);
    const random = new SeededRandom(5);
    const lists = Array.from(call.targets, (target) => [...new Set([target, ...random.sample(20, 210)])]);
    call.options.allowed = csrOf(lists.map((tokens) => tokens.sort((a, b) => a - b)));
    call.targets[5] = -100;
    expectAgreement(call);
    expectAgreement({ ...call, options: { ...call.options, workspaceBytes: 3 * 896 } });
  });
});

it('a row with NaN or infinity is NaN, and other rows are not', () => {
  const call = randomCall(16, { rows: 4, vocabSize: 40, hiddenSize: 8 }, { reduction: 'none' });
  call.hidden[2 * 8] = Number.NaN;
  const { loss, nonFiniteRows, gradHidden } = fusedLinearBearLoss(...argumentsOf(call), {
    reduction: 'none',
    hiddenSize: 8,
  });
  expect(nonFiniteRows).toEqual([2]);
  expect(Array.from(loss, Number.isFinite)).toEqual([true, true, false, true]);
  const finite = Array.from({ length: 4 }, (_, row) =>
    gradHidden.subarray(8 * row, 8 * row + 8).every(Number.isFinite),
  );
  expect(finite).toEqual([true, true, false, true]);
});

it('nothing is read of the hidden states of ignored rows', () => {
  const call = randomCall(17, { rows: 4, vocabSize: 40, hiddenSize: 8 });
  call.targets[1] = -100;
  const clean = fusedLinearBearLoss(...argumentsOf(call), { hiddenSize: 8 });
  call.hidden.fill(Number.NaN, 8, 16);
  expect(fusedLinearBearLoss(...argumentsOf(call), { hiddenSize: 8 })).toEqual(clean);
  expect(Array.from(clean.gradHidden.subarray(8, 16))).toEqual(new Array(8).fill(0));
});

it('without a counted row loss and gradients are 0', () => {
  const call = randomCall(18, { rows: 3, vocabSize: 40, hiddenSize: 8 }, { bias: bias(40) });
  call.targets.fill(-100);
  const { loss, gradHidden, gradWeight, gradBias } = fusedLinearBearLoss(...argumentsOf(call), call.options);
  expect(loss).toBe(0);
  for (const gradient of [gradHidden, gradWeight, gradBias]) {
    expect((gradient as Float32Array).every((value) => value === 0)).toBe(true);
  }
  const empty = fusedLinearBearLoss(new Float32Array(0), call.weight as Float32Array, [], { hiddenSize: 8 });
  expect(empty).toMatchObject({ loss: 0, countedRows: 0 });
  expect(empty.gradWeight).toEqual(new Float32Array(320));
});
