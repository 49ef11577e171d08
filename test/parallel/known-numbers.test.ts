/** The kept cases, the golden vectors and the border of float32, with the vocabulary in three uneven parts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bearLossReference } from '../reference/bear-loss-reference';
import {
  type GoldenCase,
  isExtreme,
  loadGoldenVectors,
  optionsOf,
  SELECTED_GOLDEN_FOLDER,
} from '../support/golden-vectors';
import { callOf, definedGradient, expectResult, type LossCall } from '../support/loss-call';
import {
  certainProblems,
  logitProblems,
  longRowProblems,
  type MagnitudeProblem,
  optionProblems,
  saturatedProblems,
  softcapProblems,
} from '../support/magnitude-problems';
import { publicOptions } from '../support/public-options';
import {
  EXTREME,
  expectAllClose,
  expectClose,
  expectFloatGradient,
  expectGradient,
  ORDINARY,
} from '../support/tolerance';
import type { OwnCase } from '../support/write-own-cases';
import { partsBetween, splitCall } from './split-call';

const OWN_CASES = JSON.parse(readFileSync(join(__dirname, '..', 'golden', 'own-cases.json'), 'utf8')) as OwnCase[];
const GOLDEN_CASES = loadGoldenVectors(SELECTED_GOLDEN_FOLDER) as GoldenCase[];

function inThreeParts(call: LossCall) {
  const { vocabSize } = call;
  return splitCall(call, partsBetween([Math.ceil(vocabSize / 5), Math.ceil(vocabSize / 2)], vocabSize)).whole;
}

const asArray = (loss: number | ArrayLike<number>) => (typeof loss === 'number' ? [loss] : Array.from(loss));

describe('the kept cases in three parts', () => {
  it.each(OWN_CASES)('$name', ({ logits, targets, options, loss, gradient }) => {
    const call = callOf(logits, targets, publicOptions(options));
    const result = inThreeParts(call);
    expectAllClose(asArray(result.loss), asArray(loss), ORDINARY.loss, 'loss');
    const unsmoothed = bearLossReference(logits, targets, { ...options, labelSmoothing: 0 }).gradient;
    expectGradient(definedGradient(result), gradient, 'float32', call.vocabSize, ORDINARY, unsmoothed);
  });
});

describe('the golden vectors in three parts', () => {
  it.each(GOLDEN_CASES)('$name', (golden) => {
    const { rows, vocabSize, targets } = golden;
    const tolerance = isExtreme(golden) ? EXTREME : ORDINARY;
    expect(golden.expected.length).toBeGreaterThan(0);
    for (const expected of golden.expected) {
      const { kind, loss, gradient } = expected;
      const options = optionsOf(golden, expected);
      const logits = Float32Array.from(golden.logits);
      const call: LossCall = { logits, dtype: 'float32', rows, vocabSize, targets, options };
      const result = inThreeParts(call);
      expectClose(result.loss as number, loss, tolerance.loss, `loss of ${kind}`);
      if (gradient) expectFloatGradient(definedGradient(result), gradient, vocabSize, tolerance.gradient);
    }
  });
});

describe('along the border of float32, in three parts', () => {
  it.each<[string, () => readonly MagnitudeProblem[]]>([
    ['logits of every size', () => logitProblems('float32')],
    ['caps of every size', softcapProblems],
    ['rows beyond the cap', saturatedProblems],
    ['rows with a certain target', certainProblems],
    ['every other option', optionProblems],
    ['long rows', longRowProblems],
  ])('%s', (_, problemsOf) => {
    const faults = problemsOf().flatMap(({ name, call, tolerance }) => {
      try {
        expectResult(inThreeParts(call), call, tolerance ?? ORDINARY);
        return [];
      } catch (error) {
        return [`${name}: ${(error as Error).message}`];
      }
    });
    expect(faults).toEqual([]);
  });
});
