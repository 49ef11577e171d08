/** Along the border of what float32 holds: sizes of logits, temperatures, caps and every other option at its ends. */
import { deserialize } from 'node:v8';
import { type BearLossOptions, type BearLossResult, topTokens } from '../../lib/index';
import { describeContract, deviceUnderTest } from '../support/backend-under-test';
import { DTYPES, decode } from '../support/dtype';
import { INSTRUCTION_SETS } from '../support/instruction-sets';
import { callOf, definedGradient, expectAgreement, expectResult, runBackend, runReference } from '../support/loss-call';
import type { MagnitudeAnswer } from '../support/magnitude-probe';
import {
  certainProblems,
  LARGEST_LOGIT,
  logitProblems,
  longRowProblems,
  type MagnitudeProblem,
  magnitudeProblems,
  optionProblems,
  saturatedProblems,
  softcapProblems,
} from '../support/magnitude-problems';
import { runProbe } from '../support/run-probe';
import { expectClose, ORDINARY } from '../support/tolerance';

/** Throws with the name of the first problem that `check` refuses. */
function expectEach(problems: readonly MagnitudeProblem[], check: (problem: MagnitudeProblem, index: number) => void) {
  problems.forEach((problem, index) => {
    try {
      check(problem, index);
    } catch (error) {
      throw new Error(`${problem.name}: ${(error as Error).message}`);
    }
  });
}

function expectAgreements(problems: readonly MagnitudeProblem[]) {
  expect(problems.length).toBeGreaterThan(50);
  expectEach(problems, ({ call, tolerance }) => expectAgreement(call, tolerance));
}

describeContract('along the border of float32', () => {
  it.each(DTYPES)('%s logits of every size agree at every temperature', (dtype) => {
    expectAgreements(logitProblems(dtype));
  });

  it('caps of every size agree within what float32 has of a capped logit', () => {
    expectAgreements(softcapProblems());
  });

  it('rows beyond the cap agree within what float32 has of the slope there', () => {
    expectAgreements(saturatedProblems());
  });

  it('rows with a certain target agree within what float32 has of their other probabilities', () => {
    expectAgreements(certainProblems());
  });

  it('every other option agrees at the ends of its range', () => {
    expectAgreements(optionProblems());
  });

  it('long rows agree, whichever logit the exponentials are relative to', () => {
    expectAgreements(longRowProblems());
  });
});

describeContract('equal largest logits', () => {
  it.each([1, 1e10, 1e20, 1e30, LARGEST_LOGIT.float32])('of %p share the probability', (size) => {
    const { gradLogits, loss, rows } = runBackend(
      callOf([[size, size, size, size]], [0], { penalty: 'none', labelSmoothing: 0.5 }),
    );
    const { gradLogits: unsmoothed } = runBackend(callOf([[size, size, size, size]], [0], { penalty: 'none' }));
    expect(Array.from(unsmoothed as Float32Array)).toEqual([-0.75, 0.25, 0.25, 0.25]);
    expect(Array.from(gradLogits as Float32Array)).toEqual([-0.375, 0.125, 0.125, 0.125]);
    expect(loss).toBeCloseTo(Math.log(4), 12);
    expect([rows?.nll[0], rows?.threshold[0]]).toEqual([Math.fround(Math.log(4)), Math.fround(-Math.log(4))]);
  });
});

describeContract('label smoothing', () => {
  it.each([
    [1e4, 1],
    [1e4, 0.1],
    [1e30, 1],
    [1e37, 1],
  ])('at a common offset of %p and temperature %p keeps its digits', (offset, temperature) => {
    const row = Array.from({ length: 3000 }, (_, j) => offset * (1 + (j % 7) * 2 ** -20));
    const { loss } = runReference(callOf([row], [0], { labelSmoothing: 0.1, penalty: 'none', temperature }));
    const result = runBackend(callOf([row], [0], { labelSmoothing: 0.1, penalty: 'none', temperature }));
    expect(Math.abs((result.loss as number) / (loss as number) - 1)).toBeLessThan(1e-6);
  });
});

describeContract('a gradient that float32 cannot hold', () => {
  it('is infinite or NaN where its entries are too large, and leaves other rows alone', () => {
    const options: BearLossOptions = { temperature: 1e-36, gradOutput: 1e36, penalty: 'none', reduction: 'sum' };
    const cases: [number[][], BearLossOptions][] = [
      [[[0, 0, -1]], options],
      [[[3e38, 3e38, 0]], { zLoss: 1, penalty: 'none', reduction: 'sum' }],
    ];
    for (const [rows, overrides] of cases) {
      const call = callOf([...rows, [1, 2, 3]], [0, -100], overrides);
      const exact = runReference(call).gradient;
      const gradient = definedGradient(runBackend(call));
      exact.forEach((entry, j) => {
        if (Math.abs(entry) > LARGEST_LOGIT.float32) expect(Number.isFinite(gradient[j])).toBe(false);
      });
      expect(Array.from(gradient.subarray(3))).toEqual([0, 0, 0]);
    }
  });

  it('with z-loss is right up to where 2 zLoss lse passes it', () => {
    for (const zLoss of [1e-4, 0.1, 0.49]) {
      expectAgreement(callOf([[3e38, 3e38, 0, -3e38]], [0], { zLoss, penalty: 'softplus' }), ORDINARY);
    }
  });
});

if (deviceUnderTest === 'cpu') {
  describe('topTokens along the border of float32', () => {
    it.each(DTYPES)('gives log-probabilities that are those of the reference (%s)', (dtype) => {
      expectEach(logitProblems(dtype), ({ call, tolerance }) => {
        const { temperature } = call.options as BearLossOptions;
        const { logProbabilities, tokens } = topTokens(call.logits, 4, {
          vocabSize: call.vocabSize,
          dtype,
          temperature,
        });
        for (let row = 0; row < call.rows; ++row) {
          const logits = decode(call.logits.subarray(row * call.vocabSize, (row + 1) * call.vocabSize), dtype);
          const largest = logits.reduce((most, z) => Math.max(most, z), -Infinity);
          const scaled = Array.from(logits, (z) => (z - largest) / (temperature as number));
          const logSum = Math.log(scaled.reduce((sum, u) => sum + Math.exp(u), 0));
          for (let place = row * 4; place < row * 4 + 4; ++place) {
            const expected = Math.fround((scaled[tokens[place] as number] as number) - logSum);
            const actual = logProbabilities[place] as number;
            expectClose(actual, expected, tolerance.loss, `place ${place}`);
          }
        }
      });
    });
  });

  describe('each instruction set along the border of float32', () => {
    for (const name of INSTRUCTION_SETS) {
      const answer = probe(name);
      const isThere = answer.instructionSet === name;
      const why = isThere ? '' : ` (skipped: this machine runs ${answer.instructionSet} instead)`;
      (isThere ? it : it.skip)(`${name} agrees with the reference${why}`, () => {
        const problems = magnitudeProblems();
        expect(answer.results.length).toBe(problems.length);
        expectEach(problems, ({ call, tolerance }, index) => {
          expectResult(answer.results[index] as BearLossResult, call, tolerance);
        });
      });
    }
  });
}

function probe(instructionSet: string): MagnitudeAnswer {
  const { results, ...answer } = deserialize(runProbe('magnitude-probe.ts', instructionSet)) as MagnitudeAnswer;
  return { ...answer, results: results.map(ownArrays) };
}

/** The same with typed arrays of the test's own realm, which deserialize() knows nothing of. */
function ownArrays(result: BearLossResult): BearLossResult {
  const own = (value: unknown) => {
    if (!ArrayBuffer.isView(value)) return value;
    return value.constructor.name === 'Uint16Array'
      ? new Uint16Array(value as Uint16Array)
      : new Float32Array(value as Float32Array);
  };
  const members = (object: object) =>
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name, own(value)]));
  return { ...members(result), rows: members(result.rows as object) } as unknown as BearLossResult;
}
