/**
 * The hardware's exponential errs by two units in the last place (CUDA's table of ex2.approx). The emulated one is exact,
 * and here it errs, differently for each seed: the tolerances of the contract must hold all the same.
 */
import type { BearLossOptions } from '../../lib/index';
import { DTYPES } from '../support/dtype';
import { useEmulator } from '../support/emulated-device';
import { callOf, expectAgreement, fingerprint, runBackend } from '../support/loss-call';
import { SeededRandom } from '../support/random';

const ULPS = 2;

const { emulator, describe, it } = useEmulator('makes exponentials err');

// The emulated device takes its time, on a busy machine more.
jest.setTimeout(120_000);

const options: [string, BearLossOptions][] = [
  ['defaults', {}],
  ['a softcap', { softcap: 10 }],
  ['a low temperature', { temperature: 0.25, penalty: 'softplus' }],
  ['label smoothing', { labelSmoothing: 0.1 }],
  ['a gradient that flows', { thresholdGradient: 'flow', penalty: 'softplus' }],
  ['a weighted mean', { penalty: 'reweight', reduction: 'weighted-mean' }],
];

function callWith(dtype: (typeof DTYPES)[number], changes: BearLossOptions) {
  const random = new SeededRandom(5);
  const rows = [1, 3, 8].map((spread) => random.normals(3000, spread));
  // A target that is nearly certain, where 1 - p is small.
  (rows[1] as Float32Array)[7] = 30;
  return callOf(rows, [0, 7, 2999], changes, dtype);
}

describe.each(DTYPES)('%s', (dtype) => {
  it.each(options)(`%s: within tolerance where exponentials err by ${ULPS} units`, (_, changes) => {
    for (const seed of [0, 1, 2, 3, 4]) {
      emulator.configure({ seed, approximationUlps: ULPS });
      expectAgreement(callWith(dtype, changes));
    }
  });
});

it('the exponentials do err', () => {
  const call = callWith('float32', {});
  const exact = fingerprint(runBackend(call));
  emulator.configure({ approximationUlps: ULPS });
  expect(fingerprint(runBackend(call)).gradLogits).not.toBe(exact.gradLogits);
});
