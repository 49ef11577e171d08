/** topTokens against the float64 reference, for every dtype, constraint, layout and instruction set. */
import * as fc from 'fast-check';
import { topTokens } from '../../lib/index';
import { deviceUnderTest } from '../support/backend-under-test';
import { DTYPES } from '../support/dtype';
import { INSTRUCTION_SETS } from '../support/instruction-sets';
import { SeededRandom } from '../support/random';
import { runProbe } from '../support/run-probe';
import { probeShapes, type TopTokensAnswer } from '../support/top-tokens-probe';
import {
  CONSTRAINTS,
  expectTopTokens,
  LOGIT_KINDS,
  makeTopTokensProblem,
  runTopTokens,
  type TopTokensShape,
  topTokensFingerprint,
} from '../support/top-tokens-problems';

const shapes: fc.Arbitrary<TopTokensShape> = fc.record({
  seed: fc.nat(),
  rows: fc.integer({ min: 0, max: 6 }),
  vocabSize: fc.oneof(
    fc.constantFrom(1, 2, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025),
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 200, max: 6000 }),
  ),
  padding: fc.constantFrom(0, 0, 1, 7),
  startOffset: fc.constantFrom(0, 1, 3),
  dtype: fc.constantFrom(...DTYPES),
  logits: fc.constantFrom(...LOGIT_KINDS),
  constraint: fc.constantFrom(...CONSTRAINTS),
  beamWidth: fc.oneof(fc.constantFrom(1, 2, 10, 15, 16, 17, 18, 64), fc.integer({ min: 1, max: 7000 })),
  temperature: fc.constantFrom(undefined, 0.7, 2),
  softcap: fc.constantFrom(undefined, undefined, 30, 2),
});

describe('topTokens', () => {
  it('gives the tokens of the reference, and their log-probabilities', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const problem = makeTopTokensProblem(shape);
        expectTopTokens(runTopTokens(problem), problem);
      }),
      { numRuns: 300 },
    );
  });

  it.each([10, 17, 300, 32_000])('selects %i tokens of a long row', (beamWidth) => {
    for (const logits of LOGIT_KINDS) {
      const problem = makeTopTokensProblem({
        seed: beamWidth,
        rows: 1,
        vocabSize: 32_000,
        padding: 0,
        startOffset: 0,
        dtype: 'float32',
        logits,
        constraint: 'none',
        beamWidth,
      });
      expectTopTokens(runTopTokens(problem), problem);
    }
  });

  it('breaks ties to the lower id, wherever in the row they are', () => {
    const random = new SeededRandom(3);
    for (let run = 0; run < 50; ++run) {
      const vocabSize = 1 + random.integer(9000);
      const row = new Float32Array(vocabSize).fill(-1);
      const tied = random.sample(30, vocabSize);
      for (const token of tied) row[token] = 2;
      const { tokens } = topTokens(row, 12, { vocabSize });
      const rest = Array.from(row.keys()).filter((token) => row[token] === -1);
      const expected = [...tied, ...rest].slice(0, 12);
      expect(Array.from(tokens)).toEqual([...expected, ...Array(12 - expected.length).fill(-1)]);
    }
  });

  it('orders by the logits where the cap makes them equal', () => {
    const { tokens, logProbabilities } = topTokens(Float32Array.of(900, 1000, 950), 3, { vocabSize: 3, softcap: 1 });
    expect(Array.from(tokens)).toEqual([1, 2, 0]);
    for (const value of logProbabilities) expect(value).toBeCloseTo(-Math.log(3), 6);
  });

  it.each([Number.NaN, Infinity])('answers %d with -1 and NaN, in its row only', (bad) => {
    for (const place of [0, 70, 4999]) {
      const logits = new SeededRandom(place).normals(15_000);
      logits[5000 + place] = bad;
      const problem = { vocabSize: 5000 };
      const { tokens, logProbabilities, logSumExp } = topTokens(logits, 3, problem);
      expect(Array.from(tokens.subarray(3, 6))).toEqual([-1, -1, -1]);
      expect(Array.from(logProbabilities.subarray(3, 6))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
      expect(logSumExp[1]).toBeNaN();
      const alone = topTokens(logits.slice(10_000), 3, problem);
      expect(Array.from(tokens.subarray(6))).toEqual(Array.from(alone.tokens));
      expect(logSumExp[2]).toBe(alone.logSumExp[0]);
    }
  });

  it('passes over NaN that the constraint excludes', () => {
    const logits = Float32Array.of(1, Number.NaN, 3, Infinity);
    const csr = { offsets: Int32Array.of(0, 2), tokens: Int32Array.of(0, 2) };
    for (const allowed of [csr, { bitmask: Uint32Array.of(0b101) }]) {
      const { tokens, logSumExp } = topTokens(logits, 2, { vocabSize: 4, allowed });
      expect(Array.from(tokens)).toEqual([2, 0]);
      expect(logSumExp[0]).toBeCloseTo(Math.log(Math.exp(1) + Math.exp(3)), 6);
    }
  });

  it.each(DTYPES)('gives the same bits for any number of threads (%s)', (dtype) => {
    for (const constraint of CONSTRAINTS) {
      const problem = makeTopTokensProblem({
        seed: 8,
        rows: 40,
        vocabSize: 4000,
        padding: 3,
        startOffset: 1,
        dtype,
        logits: 'normal',
        constraint,
        beamWidth: 10,
      });
      const one = topTokensFingerprint(runTopTokens(problem, { threads: 1 }));
      for (const threads of [2, 3, 7, 64]) {
        expect(topTokensFingerprint(runTopTokens(problem, { threads }))).toBe(one);
      }
    }
  });

  it('gives a listed row the bits of the same row in a dense array', () => {
    const shape: TopTokensShape = {
      seed: 5,
      rows: 20,
      vocabSize: 500,
      padding: 0,
      startOffset: 0,
      dtype: 'float32',
      logits: 'normal',
      constraint: 'listed',
      beamWidth: 10,
    };
    const listed = runTopTokens(makeTopTokensProblem(shape));
    const dense = runTopTokens(makeTopTokensProblem({ ...shape, constraint: 'csr' }));
    expect(topTokensFingerprint(listed)).toBe(topTokensFingerprint(dense));
  });
});

// Of the addon on the CPU, whatever else is under test.
const isCpu = deviceUnderTest === 'cpu';
(isCpu ? describe : describe.skip)('topTokens of each instruction set', () => {
  if (!isCpu) it('agrees with the reference', () => {});
  for (const name of isCpu ? INSTRUCTION_SETS : []) {
    const answer = JSON.parse(runProbe('top-tokens-probe.ts', name).toString()) as TopTokensAnswer;
    const isThere = answer.instructionSet === name;
    const why = isThere ? '' : ` (skipped: this machine runs ${answer.instructionSet} instead)`;
    (isThere ? it : it.skip)(`${name} agrees with the reference${why}`, () => {
      const problems = probeShapes();
      expect(answer.results.length).toBe(problems.length);
      answer.results.forEach(({ tokens, logProbabilities, logSumExp }, index) => {
        const numbers = { logProbabilities: logProbabilities.map(Number), logSumExp: logSumExp.map(Number) };
        expectTopTokens({ tokens, ...numbers }, makeTopTokensProblem(problems[index] as TopTokensShape));
      });
    });
  }
});
