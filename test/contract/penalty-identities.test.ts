/** How the penalties relate to one another (docs/math.md, "The penalty"): on the backend under test and on the reference. */
import * as fc from 'fast-check';
import { bearLossReference, type ReferenceOptions } from '../reference/bear-loss-reference';
import { describeContract, runs } from '../support/backend-under-test';
import { callOf, definedGradient, runBackend } from '../support/loss-call';
import { publicOptions } from '../support/public-options';
import { SeededRandom } from '../support/random';
import { gradientRowError } from '../support/tolerance';

const VOCAB = 40;

interface Case {
  rows: Float32Array[];
  targets: number[];
  /** One token set for all rows, with the targets in it; undefined: every token. */
  allowed: ReferenceOptions['allowed'];
  lambda: number;
  xi: number;
  beamWidth: number;
  temperature: number;
  softcap: number | undefined;
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    seed: fc.nat(),
    isConstrained: fc.boolean(),
    lambda: fc.constantFrom(0.25, 1, 4),
    xi: fc.constantFrom(0.5, 1, 2.75),
    beamWidth: fc.constantFrom(1, 5, 10, 64),
    temperature: fc.constantFrom(0.7, 1, 2),
    softcap: fc.constantFrom(undefined, 5),
  })
  .map(({ seed, isConstrained, ...options }) => {
    const random = new SeededRandom(seed);
    const rows = Array.from({ length: 3 }, () => random.normals(VOCAB, 2));
    const list = random.sample(20, VOCAB);
    const targets = rows.map(() => (isConstrained ? (list[random.integer(20)] as number) : random.integer(VOCAB)));
    const allowed = isConstrained
      ? { offsets: Int32Array.of(0, 20, 40, 60), tokens: Int32Array.from([...list, ...list, ...list]) }
      : undefined;
    return { rows, targets, allowed, ...options };
  });

type Evaluate = (problem: Case, options: ReferenceOptions) => { gradient: ArrayLike<number>; penalty: number[] };

const onReference: Evaluate = ({ rows, targets, allowed, ...shared }, options) => {
  const result = bearLossReference(rows, targets, { reduction: 'sum', allowed, ...shared, ...options });
  return { gradient: result.gradient, penalty: Array.from(result.rows.penalty) };
};

const onBackend: Evaluate = ({ rows, targets, allowed, ...shared }, options) => {
  const all = publicOptions({ reduction: 'sum', allowed, ...shared, ...options });
  const result = runBackend(callOf(rows, targets, all));
  return { gradient: definedGradient(result), penalty: Array.from(result.rows?.penalty ?? []) };
};

function expectSameGradient(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
  expect(actual.length).toBe(expected.length);
  for (let start = 0; start < expected.length; start += VOCAB) {
    const row = (values: ArrayLike<number>) => Array.from(values).slice(start, start + VOCAB);
    expect(gradientRowError(row(actual), row(expected)).error).toBeLessThanOrEqual(tolerance);
  }
}

const combined = (a: ArrayLike<number>, b: ArrayLike<number>, of: (a: number, b: number) => number) =>
  Array.from(a, (value, index) => of(value, b[index] as number));

/** The identities, for one way of computing the loss. */
function describeIdentities(evaluate: Evaluate, tolerance: number, numRuns: number) {
  const each = (check: (problem: Case) => void) => fc.assert(fc.property(cases, check), { numRuns });

  it('log-sigmoid mirrors softplus: the factors of a row add up to 2 + lambda / xi', () => {
    each((problem) => {
      const { lambda, xi } = problem;
      const plain = evaluate(problem, { penalty: 'none' }).gradient;
      const logSigmoid = evaluate(problem, { penalty: 'log-sigmoid' });
      const softplus = evaluate(problem, { penalty: 'softplus' });
      const sum = combined(logSigmoid.gradient, softplus.gradient, (a, b) => a + b);
      const expected = Array.from(plain, (entry) => (2 + lambda / xi) * entry);
      expectSameGradient(sum, expected, tolerance);
    });
  });

  it('log-sigmoid with lambda times xi has the gradient of reweight', () => {
    each((problem) => {
      const reweight = evaluate(problem, { penalty: 'reweight' }).gradient;
      const logSigmoid = evaluate(problem, { penalty: 'log-sigmoid', lambda: problem.lambda * problem.xi }).gradient;
      expectSameGradient(logSigmoid, reweight, tolerance);
    });
  });

  it('reweight under weighted-mean is also divided by the sum of its weights', () => {
    each((problem) => {
      const { gradient, penalty } = evaluate(problem, { penalty: 'reweight' });
      const divisor = penalty.reduce((sum, extra) => sum + 1 + extra, 0) + 1e-8;
      const mean = evaluate(problem, { penalty: 'reweight', reduction: 'weighted-mean' }).gradient;
      expectSameGradient(
        mean,
        Array.from(gradient, (entry) => entry / divisor),
        tolerance,
      );
    });
  });
}

describe('the penalties of the float64 reference', () => {
  describeIdentities(onReference, 1e-12, 100);

  it('log sigmoid of the margin is the margin less softplus', () => {
    fc.assert(
      fc.property(cases, (problem) => {
        const { rows, targets, allowed, lambda, xi, ...shared } = problem;
        const { margin } = bearLossReference(rows, targets, { allowed, lambda, xi, ...shared }).rows;
        const values = (penalty: 'log-sigmoid' | 'softplus') => onReference(problem, { penalty }).penalty;
        const [logSigmoid, softplus] = [values('log-sigmoid'), values('softplus')];
        margin.forEach((delta, row) => {
          expect(logSigmoid[row]).toBeCloseTo(delta / xi - (softplus[row] as number), 10);
        });
      }),
    );
  });

  it('does not mirror where the threshold has a gradient', () => {
    const problem: Case = {
      rows: [new SeededRandom(3).normals(VOCAB, 2)],
      targets: [7],
      allowed: undefined,
      lambda: 1,
      xi: 1,
      beamWidth: 5,
      temperature: 1,
      softcap: undefined,
    };
    const flow = (penalty: 'log-sigmoid' | 'softplus' | 'none') =>
      onReference(problem, { penalty, thresholdGradient: 'flow' }).gradient;
    const sum = combined(flow('log-sigmoid'), flow('softplus'), (a, b) => a + b);
    const { error } = gradientRowError(
      sum,
      Array.from(flow('none'), (entry) => 3 * entry),
    );
    expect(error).toBeGreaterThan(0.01);
  });

  it("the authors' sample command: reweight with lambda 0.25 and xi 2.75 is log-sigmoid with 0.6875", () => {
    fc.assert(
      fc.property(cases, (problem) => {
        const reweight = onReference(problem, { penalty: 'reweight', lambda: 0.25, xi: 2.75 }).gradient;
        const logSigmoid = onReference(problem, { penalty: 'log-sigmoid', lambda: 0.6875, xi: 2.75 }).gradient;
        expectSameGradient(logSigmoid, reweight, 1e-12);
      }),
    );
  });
});

describeContract('the penalties', () => {
  describeIdentities(onBackend, 2e-5, runs(100));
});
