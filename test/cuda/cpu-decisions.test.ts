/**
 * What is decided on raw logits is the CPU's bit for bit: the threshold logit, the rank, and whether a row is pruned.
 * Every row's target has the logit 0, so that the row's margin is the threshold logit itself, and its sign the flag.
 */
import type { BearLossOptions } from '../../lib/index';
import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { bytesOf, DTYPES, type DType } from '../support/dtype';
import { useDevice } from '../support/emulated-device';
import { callOf, type LossCall, runBackend } from '../support/loss-call';
import { SeededRandom } from '../support/random';

const device = useDevice();

// The emulated device takes its time, on a busy machine more.
jest.setTimeout(120_000);

const SEEDS = [0, 1, 2];
const BEAM_WIDTHS = [1, 2, 10, 64, 65, 128, 129, 256, 257, 700];
const ROWS = 3;
const VOCABULARY = 1500;

type Shape = (logit: number, token: number) => number;

const shapes: Record<string, Shape> = {
  random: (logit) => logit,
  // Zeros of both signs among them.
  ties: (logit) => Math.round(logit),
  'all equal': () => 0,
  ascending: (_, token) => token / 64 - 3,
  descending: (_, token) => 9 - token / 64,
  'masked until late': (logit, token) => (token < VOCABULARY - 400 ? -Infinity : logit),
};

/** One token in so many is allowed; all where it is 1. */
const constraints: Record<string, (tokens: number[][]) => BearLossOptions['allowed']> = {
  unconstrained: () => undefined,
  lists: (tokens) => csrOf(tokens),
  bitmask: (tokens) => bitmaskOf(tokens, VOCABULARY),
};

function callFor(dtype: DType, shape: Shape, constraint: string, beamWidth: number): LossCall {
  const random = new SeededRandom(beamWidth);
  const targets = random.integers(ROWS, VOCABULARY);
  const rows = Array.from(targets, (target) => {
    const row = random.normals(VOCABULARY, 3).map(shape);
    row[target] = 0;
    return row;
  });
  const tokens = Array.from(targets, (target, row) =>
    Array.from({ length: VOCABULARY }, (_, token) => token).filter(
      (token) => token === target || random.chance(row === 0 ? 0.01 : 0.4),
    ),
  );
  const allowed = constraints[constraint]?.(tokens);
  return callOf(rows, targets, { beamWidth, ...(allowed && { allowed }) }, dtype);
}

function decisionsOf(call: LossCall, device: 'cpu' | 'cuda', gradient: boolean) {
  const { rows, prunedRate, accuracy, nonFiniteRows } = runBackend(call, { device, gradient });
  if (rows === undefined) throw new Error('no statistics of rows');
  const bits = (values: Float32Array | Int32Array) => bytesOf(values).toString('hex');
  return {
    thresholds: bits(rows.margin as Float32Array),
    ranks: bits(rows.rank as Int32Array),
    pruned: Array.from(rows.margin as Float32Array, (margin) => margin > 0),
    prunedRate,
    accuracy,
    nonFiniteRows: Array.from(nonFiniteRows),
  };
}

describe.each(DTYPES)('%s', (dtype) => {
  describe.each(Object.keys(constraints))('%s', (constraint) => {
    it.each(Object.keys(shapes))('%s: as the CPU decides', (name) => {
      for (const beamWidth of BEAM_WIDTHS) {
        const call = callFor(dtype, shapes[name] as Shape, constraint, beamWidth);
        const onCpu = decisionsOf(call, 'cpu', false);
        for (const seed of SEEDS) {
          device.configure({ seed });
          // With a gradient the row is kept; without, radix selection reads it again.
          const onDevice = decisionsOf(call, 'cuda', seed % 2 === 1);
          expect({ beamWidth, seed, ...onDevice }).toEqual({ beamWidth, seed, ...onCpu });
        }
      }
    });
  });
});

it('the margin is the threshold logit, and both signs of it occur', () => {
  const call = callFor('float32', shapes.random as Shape, 'lists', 10);
  const { pruned } = decisionsOf(call, 'cpu', false);
  expect(pruned).toContain(true);
  const alone = callFor('float32', (logit) => -Math.abs(logit), 'unconstrained', 10);
  expect(decisionsOf(alone, 'cpu', false).pruned).toEqual([false, false, false]);
  const sorted = Array.from(call.logits.subarray(0, VOCABULARY)).sort((a, b) => b - a);
  const unconstrained = callFor('float32', shapes.random as Shape, 'unconstrained', 10);
  expect(runBackend(unconstrained, { device: 'cpu' }).rows?.margin[0]).toBe(sorted[9]);
});
