/** Whatever the order in which threads, blocks and streams take turns, the results are the same bit for bit. */
import { fusedBearLoss } from '../../lib/index';
import { csrOf } from '../support/allowed-tokens';
import { DTYPES, type DType } from '../support/dtype';
import { useDevice } from '../support/emulated-device';
import { callOf, fingerprint, type LossCall, logitsArgument, runBackend } from '../support/loss-call';
import { SeededRandom } from '../support/random';

const SEEDS = Array.from({ length: 24 }, (_, index) => index + 1);

const device = useDevice();

function problems(dtype: DType): [string, LossCall][] {
  const random = new SeededRandom(7);
  const rows = (count: number, vocabSize: number, spread = 3) =>
    Array.from({ length: count }, () => random.normals(vocabSize, spread));
  const ties = rows(3, 150).map((row) => row.map((logit) => Math.round(logit)));
  const withNaN = rows(4, 65);
  (withNaN[1] as Float32Array)[64] = Number.NaN;
  (withNaN[2] as Float32Array).fill(-Infinity);
  (withNaN[2] as Float32Array)[3] = 0;
  return [
    ['several chunks', callOf(rows(6, 900), [1, 899, 500, -100, 0, 64], { penalty: 'softplus' }, dtype)],
    ['ties at the threshold', callOf(ties, [0, 75, 149], { beamWidth: 9, thresholdGradient: 'flow' }, dtype)],
    ['a wide beam', callOf(rows(2, 600), [3, 599], { beamWidth: 300 }, dtype)],
    [
      'a weighted mean',
      callOf(rows(5, 130), [1, 2, 3, 4, 5], { penalty: 'reweight', reduction: 'weighted-mean' }, dtype),
    ],
    [
      'row losses',
      callOf(rows(4, 70), [1, 2, 3, 69], { reduction: 'none', gradOutput: Float32Array.of(1, 2, -1, 0) }, dtype),
    ],
    ['rows that are not finite', callOf(withNaN, [1, 2, 3, 4], {}, dtype)],
    ['lists', callOf(rows(3, 200), [5, 6, 7], { allowed: csrOf([[1, 5, 90, 199], [6], [0, 7, 8]]) }, dtype)],
  ];
}

describe.each(DTYPES)('%s', (dtype) => {
  it.each(problems(dtype))(
    `%s: ${SEEDS.length} schedules give one result, and it decides as the CPU does`,
    (_, call) => {
      const expected = fingerprint(runBackend(call));
      for (const seed of SEEDS) {
        device.configure({ seed });
        expect(fingerprint(runBackend(call))).toEqual(expected);
      }
      const onCpu = fusedBearLoss(logitsArgument(call), call.targets, { ...call.options, rows: true, device: 'cpu' });
      const onDevice = runBackend(call);
      expect(onDevice.rows?.rank).toEqual(onCpu.rows?.rank);
      expect(onDevice.prunedRate).toBe(onCpu.prunedRate);
      expect(onDevice.accuracy).toBe(onCpu.accuracy);
      expect(onDevice.nonFiniteRows).toEqual(onCpu.nonFiniteRows);
    },
  );
});
