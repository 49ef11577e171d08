import type { BearLossOptions, BearLossResult } from '../../lib/index';
import { SeededRandom } from '../support/random';
import { loadWith } from './support';

// What a threshold decides must not depend on the backend; sums may differ in their last digits.
const native = loadWith('native');
const wasm = loadWith('wasm');

const ROWS = 150;
const V = 3000; // several blocks of rows
const STRIDE = V + 5;

function problem() {
  const generator = new SeededRandom(7);
  const random = () => generator.uniform();
  const logits = Float32Array.from({ length: ROWS * STRIDE }, () => Math.round(random() * 400) / 20 - 10); // with ties
  const targets = Int32Array.from({ length: ROWS }, (_, row) => (row % 9 === 4 ? -100 : Math.floor(random() * V)));
  const offsets = new Int32Array(ROWS + 1);
  const tokens: number[] = [];
  const bitmask = new Uint32Array(ROWS * Math.ceil(V / 32));
  for (let row = 0; row < ROWS; row++) {
    for (let token = 0; token < V; token++) {
      const isTarget = token === targets[row];
      if (!isTarget && random() > (row % 40 === 0 ? 0 : 0.3)) continue;
      tokens.push(token);
      const word = row * Math.ceil(V / 32) + (token >> 5);
      bitmask[word] = (bitmask[word] as number) | (1 << (token & 31));
    }
    offsets[row + 1] = tokens.length;
  }
  return { logits, targets, lists: { offsets, tokens: Int32Array.from(tokens) }, bitmask };
}

const { logits, targets, lists, bitmask } = problem();
const halves = Uint16Array.from(new Uint32Array(logits.buffer), (bits) => bits >>> 16);
const weights = Float32Array.from({ length: ROWS }, (_, row) => (row % 5) / 2);

function expectSame(options: BearLossOptions, data: Float32Array | Uint16Array = logits): void {
  const all: BearLossOptions = { vocabSize: V, rowStride: STRIDE, rows: true, ...options };
  const inPlace = all.gradient === 'in-place' || all.gradient === 'in-place-sparse';
  const [expected, actual] = [native, wasm].map(
    ({ fusedBearLoss }) => fusedBearLoss(inPlace ? data.slice() : data, targets, all) as BearLossResult,
  ) as [BearLossResult, BearLossResult];
  expect(actual.rows?.rank).toEqual(expected.rows?.rank);
  expect(actual.rows?.margin).toEqual(expected.rows?.margin);
  expect(actual.prunedRate).toBe(expected.prunedRate);
  expect(actual.accuracy).toBe(expected.accuracy);
  expect(actual.countedRows).toBe(expected.countedRows);
  expect(actual.loss).toBeCloseTo(expected.loss as number, 5);
  const [given, wanted] = [actual.gradLogits, expected.gradLogits] as [Float32Array, Float32Array];
  expect(given.length).toBe(wanted.length);
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs((given[i] as number) - (wanted[i] as number));
    // Bits of bfloat16 may differ by one.
    worst = Math.max(worst, data instanceof Uint16Array ? difference / 1e6 : difference);
  }
  expect(worst).toBeLessThan(2e-6);
}

describe('the module and the native addon', () => {
  it.each<[string, BearLossOptions]>([
    ['plain rows', {}],
    ['a wide beam', { beamWidth: 64 }],
    ['in place, with padding between the rows', { gradient: 'in-place' }],
    ['weights, and sums over all rows', { tokenWeights: weights, penaltyWeights: weights, reduction: 'sum' }],
    ['the weighted mean', { penalty: 'reweight', reduction: 'weighted-mean', tokenWeights: weights }],
    ['lists', { allowed: lists }],
    ['lists in place', { allowed: lists, gradient: 'in-place' }],
    ['lists in place, sparse', { allowed: lists, gradient: 'in-place-sparse' }],
    ['the entries of lists alone', { allowed: lists, gradient: 'sparse' }],
    ['lists and the weighted mean', { allowed: lists, penalty: 'reweight', reduction: 'weighted-mean' }],
    ['lists and the flow through the threshold', { allowed: lists, thresholdGradient: 'flow' }],
    ['a bitmask', { allowed: { bitmask }, labelSmoothing: 0.1 }],
    ['a gradient with rows of its own distance', { out: { rowStride: V + 3 } }],
  ])('agree on %s', (_what, options) => expectSame(options));

  it('agree on 16-bit logits', () => {
    expectSame({ dtype: 'bfloat16' }, halves);
    expectSame({ dtype: 'bfloat16', allowed: lists, gradient: 'in-place-sparse' }, halves);
  });

  it.each<[string, object]>([
    ['plain rows', {}],
    ['lists', { allowed: lists }],
    ['a bitmask', { allowed: { bitmask } }],
  ])('agree on the top tokens of %s', (_what, options) => {
    const all = { vocabSize: V, rowStride: STRIDE, ...options };
    const [expected, actual] = [native, wasm].map(({ topTokens }) => topTokens(logits, 20, all));
    expect(actual?.tokens).toEqual(expected?.tokens);
  });
});
