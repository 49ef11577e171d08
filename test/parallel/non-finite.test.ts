import { callOf, fingerprint, type LossCall, runBackend } from '../support/loss-call';
import { partsBetween, splitCall } from './split-call';

const NAN = Number.NaN;
const INF = Number.POSITIVE_INFINITY;

/** Rows of eight tokens; the cuts are at 3 and 5. */
const ROWS: Record<string, { logits: number[]; target: number }> = {
  'NaN in the first part': { logits: [1, NAN, 3, 4, -INF, 6, 7, 8], target: 6 },
  'plus infinity in the last part': { logits: [1, 2, 3, 4, 5, 6, -INF, INF], target: 0 },
  'NaN beside a part without a finite logit': { logits: [-INF, -INF, -INF, NAN, 5, 6, 7, 8], target: 7 },
  'no finite logit anywhere': { logits: [-INF, -INF, -INF, -INF, -INF, -INF, -INF, -INF], target: 2 },
  'one finite part': { logits: [-INF, -INF, -INF, 2, 1, -INF, -INF, -INF], target: 3 },
  'a masked target': { logits: [1, 2, 3, -INF, 5, 6, 7, 8], target: 3 },
  'a target of NaN': { logits: [1, 2, 3, 4, 5, 6, NAN, 8], target: 6 },
  'a single allowed token': { logits: [-INF, -INF, -INF, -INF, -INF, -INF, 3, -INF], target: 6 },
  'an ignored row with NaN': { logits: [NAN, 2, 3, 4, 5, 6, 7, 8], target: -100 },
  'an ordinary row': { logits: [1, 2, 3, 4, 5, 6, 7, 8], target: 1 },
};

const parts = partsBetween([3, 5], 8);
const numbers = (values: ArrayLike<number> | undefined) => Array.from(values ?? [], (value) => value + 0);

function expectSame(call: LossCall) {
  const whole = runBackend(call);
  const split = splitCall(call, parts).whole;
  expect(split.nonFiniteRows).toEqual(whole.nonFiniteRows);
  expect([split.countedRows, split.prunedRate, split.accuracy]).toEqual([
    whole.countedRows,
    whole.prunedRate,
    whole.accuracy,
  ]);
  expect(split.rows?.rank).toEqual(whole.rows?.rank);
  expect(numbers(split.rows?.margin)).toEqual(numbers(whole.rows?.margin));
  const [actual, expected] = [numbers(split.gradLogits as Float32Array), numbers(whole.gradLogits as Float32Array)];
  const kind = (value: number) => (Number.isFinite(value) && value !== 0 ? 'number' : value);
  expect(actual.map(kind)).toEqual(expected.map(kind));
  actual.forEach((value, index) => {
    if (Number.isFinite(value)) expect(value).toBeCloseTo(expected[index] as number, 6);
  });
}

describe('rows that are not finite, in three parts', () => {
  it.each(Object.entries(ROWS))('%s', (_, { logits, target }) => {
    for (const thresholdGradient of ['detach', 'flow'] as const) {
      for (const reduction of ['sum', 'weighted-mean'] as const) {
        const options = { beamWidth: 2, thresholdGradient, reduction, labelSmoothing: 0.1 };
        expectSame(callOf([logits, [1, 2, 3, 4, 5, 6, 7, 8]], [target, 4], options));
      }
    }
  });

  it('of all kinds together keep to themselves', () => {
    const rows = Object.values(ROWS);
    expectSame(
      callOf(
        rows.map(({ logits }) => logits),
        rows.map(({ target }) => target),
        { beamWidth: 3, reduction: 'weighted-mean', penalty: 'reweight' },
      ),
    );
  });

  it('under a bitmask that leaves a part without any token', () => {
    const call = callOf([[1, 2, 3, NAN, INF, 6, 7, 8]], [0], {
      beamWidth: 2,
      allowed: { bitmask: Uint32Array.of(0b11100001) },
    });
    expectSame(call);
    expect(fingerprint(splitCall(call, parts).whole).counts).toBe(fingerprint(runBackend(call)).counts);
  });
});
