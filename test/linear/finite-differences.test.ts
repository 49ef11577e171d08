/** The gradients are the slopes of the loss itself, by a float64 loss at float32 arguments. */
import { fusedLinearBearLoss } from '../../lib/index';
import { csrOf } from '../support/allowed-tokens';
import { SeededRandom } from '../support/random';
import { argumentsOf, type DenseOptions, type LinearCall, linearReference, randomCall } from './linear-call';

const STEP = 2 ** -10;
const BOUND = 1e-4;

function expectSlopes(gradient: ArrayLike<number>, at: Float32Array, lossAt: () => number): void {
  expect(gradient).toHaveLength(at.length);
  for (let i = 0; i < at.length; i++) {
    const value = at[i] as number;
    at[i] = value + STEP;
    const above = [lossAt(), at[i] as number] as const;
    at[i] = value - STEP;
    const below = [lossAt(), at[i] as number] as const;
    at[i] = value;
    const slope = (above[0] - below[0]) / (above[1] - below[1]);
    expect(Math.abs((gradient[i] as number) - slope)).toBeLessThan(BOUND);
  }
}

const lists = csrOf([[0, 2, 5], [1, 2, 3, 4], [0, 2, 5], [6]]);

it.each<[string, DenseOptions]>([
  ['every token', { bias: new SeededRandom(1).normals(7) }],
  ['lists', { bias: new SeededRandom(1).normals(7), allowed: { ...lists, bias: new SeededRandom(2).normals(11) } }],
])('%s', (_, more) => {
  const call: LinearCall = randomCall(
    51,
    { rows: 4, vocabSize: 7, hiddenSize: 3 },
    {
      beamWidth: 2,
      penalty: 'softplus',
      thresholdGradient: 'flow',
      reduction: 'sum',
      zLoss: 0.01,
      labelSmoothing: 0.1,
      softcap: 6,
      ...more,
    },
  );
  call.targets.set([2, 4, 5, 6]);
  const result = fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined });
  const lossAt = () => linearReference(call).loss.loss as number;
  expectSlopes(result.gradHidden as Float32Array, call.hidden as Float32Array, lossAt);
  expectSlopes(result.gradWeight as Float32Array, call.weight as Float32Array, lossAt);
  expectSlopes(result.gradBias as Float32Array, call.options.bias as Float32Array, lossAt);
  const { allowed } = call.options;
  if (allowed && 'offsets' in allowed) {
    expectSlopes(result.gradAllowedBias as Float32Array, allowed.bias as Float32Array, lossAt);
  }
});
