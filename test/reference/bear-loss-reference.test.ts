import { SeededRandom } from '../support/random';
import {
  bearLossReference,
  penaltyTerm,
  type ReferenceOptions,
  type ReferencePenalty,
  type ReferenceResult,
} from './bear-loss-reference';

const PENALTIES: readonly ReferencePenalty[] = ['hinge', 'softplus', 'log-sigmoid', 'sigmoid', 'reweight', 'none'];
const lossOf = (result: ReferenceResult) => result.loss as number;

describe('the gradient of the float64 reference is the slope of its own loss', () => {
  const STEP = 1e-5;
  const random = new SeededRandom(7);
  const logits = Array.from(random.normals(9, 1.5));
  const allowed = { offsets: [0, 7], tokens: [0, 1, 3, 4, 5, 7, 8] };
  const settings: [string, ReferenceOptions][] = [
    ['plain', {}],
    ['temperature and softcap', { temperature: 0.7, softcap: 2 }],
    ['label smoothing and z-loss', { labelSmoothing: 0.1, zLoss: 0.01 }],
    ['everything under a constraint', { temperature: 1.3, softcap: 4, labelSmoothing: 0.2, zLoss: 0.05, allowed }],
  ];
  const combinations = PENALTIES.flatMap((penalty) =>
    settings.flatMap(([name, setting]) =>
      // Token 3 ranks low and token 5 high: both sides of the threshold.
      [3, 5].map((target) => ({
        title: `${penalty}, ${name}, target ${target}`,
        target,
        options: { ...setting, penalty, beamWidth: 3, lambda: 0.6, xi: 0.8, margin: 0.3, reduction: 'sum' } as const,
      })),
    ),
  );

  /** Central differences of any function of the logits, by each logit. */
  function slopes(evaluate: (logits: number[]) => number): number[] {
    return logits.map((_, token) => {
      const moved = (distance: number) => evaluate(logits.map((z, j) => (j === token ? z + distance : z)));
      return (moved(STEP) - moved(-STEP)) / (2 * STEP);
    });
  }

  function expectSlopes(gradient: Float64Array, expected: number[]) {
    gradient.forEach((entry, token) => {
      expect(Math.abs(entry - (expected[token] as number))).toBeLessThan(1e-8);
    });
  }

  it.each(combinations.filter(({ options }) => options.penalty !== 'reweight'))(
    'flow: $title',
    ({ target, options }) => {
      const flow = { ...options, thresholdGradient: 'flow' } as const;
      const { gradient } = bearLossReference([logits], [target], flow);
      expectSlopes(
        gradient,
        slopes((moved) => lossOf(bearLossReference([moved], [target], flow))),
      );
    },
  );

  it.each(combinations)('detach, with the threshold held constant: $title', ({ target, options }) => {
    const detach = { ...options, thresholdGradient: 'detach' } as const;
    const base = bearLossReference([logits], [target], detach);
    const heldLogBeta = base.rows.threshold[0] as number;
    const heldWeight = 1 + (options.penalty === 'reweight' ? (base.rows.penalty[0] as number) : 0);
    const plain = (moved: number[], zLoss = 0) =>
      bearLossReference([moved], [target], { ...detach, penalty: 'none', zLoss });
    expectSlopes(
      base.gradient,
      slopes((moved) => {
        const withoutZLoss = plain(moved);
        const zLoss = lossOf(plain(moved, options.zLoss)) - lossOf(withoutZLoss);
        const delta = heldLogBeta + (withoutZLoss.rows.nll[0] as number);
        const penalty = options.penalty === 'reweight' ? 0 : penaltyTerm(options.penalty, delta, options).value;
        return heldWeight * lossOf(withoutZLoss) + options.lambda * penalty + zLoss;
      }),
    );
  });
});

describe('the threshold of the float64 reference', () => {
  const thresholdToken = (logits: number[], beamWidth: number) =>
    bearLossReference([logits], [0], { beamWidth }).rows.thresholdToken[0];

  it('is the element number min(B, |A|), the lower token id first among equals', () => {
    const logits = [1, 5, 3, 3, 3, 0];
    expect([1, 2, 3, 4, 5, 6, 7].map((width) => thresholdToken(logits, width))).toEqual([1, 2, 3, 4, 0, 5, 5]);
  });

  it('takes -0 for equal to +0', () => {
    expect(thresholdToken([-1, -0, 0, -0], 1)).toBe(1);
    expect(thresholdToken([-1, -0, 0, -0], 2)).toBe(2);
    expect(bearLossReference([[-0, 0]], [0], { beamWidth: 1 }).prunedRate).toBe(0);
  });

  it('leaves tokens of -Infinity out of A', () => {
    expect(thresholdToken([2, -Infinity, 1, -Infinity], 4)).toBe(2);
  });
});

describe('numbers that are not finite, in the float64 reference', () => {
  const rowOf = (row: number[], options: ReferenceOptions = {}) => bearLossReference([row], [0], options);

  it.each([NaN, Infinity])('%p in A makes the row NaN, but tokens of -Infinity keep a gradient of 0', (bad) => {
    const { loss, gradient, nonFiniteRows, rows, countedRows, prunedRate, accuracy } = rowOf([0, bad, -Infinity, 1]);
    expect(loss).toBeNaN();
    expect(Array.from(gradient)).toEqual([NaN, NaN, 0, NaN]);
    expect({ nonFiniteRows, countedRows, prunedRate, accuracy }).toEqual({
      nonFiniteRows: [0],
      countedRows: 1,
      prunedRate: 0,
      accuracy: 0,
    });
    expect(rows.rank[0]).toBe(-1);
    for (const column of [rows.nll, rows.logSumExp, rows.threshold, rows.margin, rows.penalty]) {
      expect(column[0]).toBeNaN();
    }
  });

  it('a bad logit outside the constraint is not looked at', () => {
    const { loss, gradient } = rowOf([0, NaN, Infinity, 0], { allowed: { bitmask: [0b1001] }, penalty: 'none' });
    expect(loss).toBeCloseTo(Math.log(2), 15);
    expect(Array.from(gradient)).toEqual([-0.5, 0, 0, 0.5]);
  });

  it('no finite allowed logit makes the allowed tokens NaN, and only those', () => {
    const row = [-Infinity, 3, -Infinity, NaN];
    const { gradient, nonFiniteRows } = rowOf(row, { allowed: { bitmask: [0b0101] } });
    expect(Array.from(gradient)).toEqual([NaN, 0, NaN, 0]);
    expect(nonFiniteRows).toEqual([0]);
  });

  it.each([
    { penalty: 'hinge', slope: 1 },
    { penalty: 'softplus', slope: 0.5 },
    { penalty: 'log-sigmoid', slope: 0 },
    { penalty: 'sigmoid', slope: 0 },
    { penalty: 'reweight', slope: 0 },
    { penalty: 'none', slope: 0 },
  ] as const)(
    'a target of -Infinity costs +Infinity and has the slope of $penalty at its limit',
    ({ penalty, slope }) => {
      for (const lambda of [0.5, -0.5, 0]) {
        const { loss, gradient, nonFiniteRows, prunedRate, rows } = rowOf([-Infinity, 0, 0], {
          penalty,
          lambda,
          xi: 2,
        });
        expect(loss).toBe(Infinity);
        const factor = 1 + lambda * slope;
        expect(Array.from(gradient)).toEqual([-factor, factor / 2, factor / 2]);
        expect({ nonFiniteRows, prunedRate, rank: rows.rank[0] }).toEqual({
          nonFiniteRows: [0],
          prunedRate: 1,
          rank: 2,
        });
        expect([rows.nll[0], rows.margin[0]]).toEqual([Infinity, Infinity]);
        expect(rows.logSumExp[0]).toBeCloseTo(Math.log(2), 15);
      }
    },
  );

  it('poisons the scalar loss of weighted-mean, but no other row of its gradient', () => {
    const { loss, gradient } = bearLossReference(
      [
        [0, NaN],
        [0, 0],
      ],
      [0, 0],
      { penalty: 'none', reduction: 'weighted-mean' },
    );
    expect(loss).toBeNaN();
    expect(Array.from(gradient.subarray(0, 2))).toEqual([NaN, NaN]);
    expect(gradient[2]).toBeCloseTo(-0.5, 7);
  });
});

describe('the precision of the float64 reference', () => {
  it('keeps 1 - p_y where p_y is 1 in float64', () => {
    const { gradient, rows } = bearLossReference([[50, 0]], [0], { penalty: 'none' });
    expect((gradient[0] as number) / -Math.exp(-50)).toBeCloseTo(1, 14);
    expect((rows.nll[0] as number) / Math.exp(-50)).toBeCloseTo(1, 14);
  });

  it('does not see a common offset', () => {
    const random = new SeededRandom(3);
    const logits = Array.from(random.normals(20), (z) => Math.round(z * 64) / 64);
    const plain = bearLossReference([logits], [4], { beamWidth: 3 });
    const shifted = bearLossReference([logits.map((z) => z + 1e6)], [4], { beamWidth: 3 });
    expect(shifted.loss).toBe(plain.loss);
    expect(shifted.gradient).toEqual(plain.gradient);
  });
});

describe('rows that count for nothing, in the float64 reference', () => {
  it('no rows, and none that counts: everything is 0', () => {
    for (const rows of [[], [[NaN, 1]]]) {
      for (const reduction of ['mean', 'sum', 'weighted-mean'] as const) {
        const { loss, gradient, prunedRate, accuracy } = bearLossReference(rows, [-100], { reduction });
        expect({ loss, prunedRate, accuracy }).toEqual({ loss: 0, prunedRate: 0, accuracy: 0 });
        expect(gradient.every((entry) => entry === 0)).toBe(true);
      }
    }
  });

  it('ignoreIndex may be a token id', () => {
    const { countedRows, rows, gradient } = bearLossReference([[1, 2]], [0], { ignoreIndex: 0 });
    expect([countedRows, rows.rank[0], gradient[0]]).toEqual([0, -1, 0]);
  });

  it('a forced row adds lambda r(0) and no gradient', () => {
    const { loss, gradient, prunedRate, accuracy } = bearLossReference([[3]], [0], { penalty: 'softplus', lambda: 2 });
    expect(loss).toBeCloseTo(2 * Math.log(2), 15);
    expect([gradient[0], prunedRate, accuracy]).toEqual([0, 0, 1]);
  });
});
