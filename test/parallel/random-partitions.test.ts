import * as fc from 'fast-check';
import { bearShardGradient } from '../../lib/index';
import { runs } from '../support/backend-under-test';
import { bytesOf } from '../support/dtype';
import { expectResult, fingerprint, type LossCall, runBackend, runReference } from '../support/loss-call';
import { type ProblemShape, problemOf, problemShapes } from '../support/random-problems';
import { ORDINARY } from '../support/tolerance';
import { logitsOfPart, mergeOf, optionsOfPart, partialsOf, partsBetween, splitCall } from './split-call';

/** A problem and up to six cuts of its vocabulary, mostly uneven. */
const partitions = problemShapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    cuts: fc.array(fc.integer({ min: 1, max: Math.max(1, shape.vocabSize - 1) }), { maxLength: 6 }),
    order: fc.nat(),
  }),
);

/** As in the contract: within rounding of the jump of the hinge either side is right. */
function liesOnTheJumpOfTheHinge(call: LossCall, shape: ProblemShape): boolean {
  if (shape.options.penalty !== 'hinge') return false;
  return runReference(call).rows.margin.some((delta) => {
    const distance = Math.abs(delta + (shape.options.margin ?? 0));
    return distance < 1e-6 && !(distance === 0 && (delta === 0 || shape.options.temperature === 1));
  });
}

/** The bits of what is decided on raw logits; a zero of either sign is the same number. */
const decided = (values: Float32Array) => bytesOf(values.map((value) => value + 0)).toString('base64');

function shuffled<T>(list: readonly T[], seed: number): T[] {
  return list
    .map((item, index) => ({ item, key: Math.imul(index + 1, 2654435761 ^ seed) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

describe('a vocabulary in random parts', () => {
  it('gives loss, gradient and statistics of the float64 reference', () => {
    fc.assert(
      fc.property(partitions, ({ shape, cuts }) => {
        const call = problemOf(shape);
        fc.pre(!liesOnTheJumpOfTheHinge(call, shape));
        expectResult(splitCall(call, partsBetween(cuts, call.vocabSize)).whole, call, ORDINARY);
      }),
      { numRuns: runs(400) },
    );
  });

  it('gives threshold, margin and pruned rows of the whole row, bit for bit', () => {
    fc.assert(
      fc.property(partitions, ({ shape, cuts }) => {
        const call = problemOf(shape);
        const { whole, merged } = splitCall(call, partsBetween(cuts, call.vocabSize));
        const expected = runBackend(call);
        expect(decided(whole.rows?.margin as Float32Array)).toBe(decided(expected.rows?.margin as Float32Array));
        expect(whole.prunedRate).toBe(expected.prunedRate);
        expect(whole.accuracy).toBe(expected.accuracy);
        expect(whole.rows?.rank).toEqual(expected.rows?.rank);
        const onePart = mergeOf(call, partialsOf(call, partsBetween([], call.vocabSize)));
        expect(decided(merged.thresholdLogit)).toBe(decided(onePart.thresholdLogit));
        expect(merged.thresholdToken).toEqual(onePart.thresholdToken);
      }),
      { numRuns: runs(200) },
    );
  });

  it('gives the same bits in any order of the parts, and the same loss in every process', () => {
    fc.assert(
      fc.property(partitions, ({ shape, cuts, order }) => {
        const call = problemOf(shape);
        const parts = partsBetween(cuts, call.vocabSize);
        const partials = partialsOf(call, parts);
        const merged = mergeOf(call, partials);
        const other = mergeOf(call, shuffled(structuredClone(partials), order));
        expect(other).toEqual(merged);
        expect(bytesOf(other.sumOthers).equals(bytesOf(merged.sumOthers))).toBe(true);
        const results = parts.map((part) =>
          bearShardGradient(logitsOfPart(call, part), call.targets, structuredClone(merged), {
            ...optionsOfPart(call, part),
            rows: true,
          }),
        );
        const shared = results.map((result) => {
          const { gradLogits: _, rank: __, ...rest } = fingerprint(result);
          return rest;
        });
        for (const each of shared) expect(each).toEqual(shared[0]);
      }),
      { numRuns: runs(200) },
    );
  });
});
