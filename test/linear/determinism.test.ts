import { fusedLinearBearLoss } from '../../lib/index';
import { SeededRandom } from '../support/random';
import { argumentsOf, bitsOf, type DenseOptions, randomCall } from './linear-call';

const ROW_BYTES = 640 * 4; // whole lines of 64 bytes

// bfloat16 factors of 160 columns are those of whole tiles of AMX.
describe.each([
  ['float32', 140],
  ['bfloat16', 140],
  ['bfloat16', 160],
] as const)('%s, H = %i: the same bits', (dtype, hiddenSize) => {
  const shape = { rows: 150, vocabSize: 610, hiddenSize };

  it.each<[string, DenseOptions]>([
    ['mean', {}],
    ['weighted-mean', { reduction: 'weighted-mean', penalty: 'reweight' }],
    ['none', { reduction: 'none', labelSmoothing: 0.1 }],
  ])('for any number of threads and any workspace, %s', (_, options) => {
    const call = randomCall(21, shape, { bias: new SeededRandom(4).normals(610), ...options }, dtype);
    for (let row = 0; row < 150; row += 7) call.targets[row] = -100;
    const run = (more: DenseOptions) =>
      bitsOf(fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined, rows: true, ...more }));
    const expected = run({ threads: 1 });
    expect(Object.keys(expected)).toEqual(
      expect.arrayContaining(['loss', 'gradHidden', 'gradWeight', 'gradBias', 'nll']),
    );
    for (const threads of [2, 3, 7]) expect(run({ threads })).toEqual(expected);
    for (const rows of [1, 2, 31, 32, 63, 64, 65, 100])
      expect(run({ workspaceBytes: rows * ROW_BYTES })).toEqual(expected);
  });

  it('for every subset of the gradients', () => {
    const call = randomCall(22, shape, { bias: new SeededRandom(4).normals(610) }, dtype);
    const all = bitsOf(fusedLinearBearLoss(...argumentsOf(call), call.options));
    for (const needs of [[], ['hidden'], ['weight'], ['bias'], ['hidden', 'bias']] as const) {
      const some = bitsOf(fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs }));
      const names = needs.map((need) => `grad${need[0]?.toUpperCase()}${need.slice(1)}`);
      expect(
        Object.keys(some)
          .filter((name) => name.startsWith('grad'))
          .sort(),
      ).toEqual([...names].sort());
      expect(all).toMatchObject(some);
    }
  });
});

it('a logit has the same bits among other rows and tokens', () => {
  const call = randomCall(23, { rows: 70, vocabSize: 300, hiddenSize: 200 });
  const nll = (rows: number, tokens: number) => {
    const { rows: statistics } = fusedLinearBearLoss(
      (call.hidden as Float32Array).subarray(0, rows * 200),
      (call.weight as Float32Array).subarray(0, tokens * 200),
      new Int32Array(rows),
      { hiddenSize: 200, needs: [], rows: true, beamWidth: 1, penalty: 'hinge' },
    );
    return statistics;
  };
  // The margin is a difference of two logits, and nothing else.
  const margins = nll(70, 300).margin;
  expect(Array.from(nll(3, 300).margin)).toEqual(Array.from(margins.subarray(0, 3)));
});
