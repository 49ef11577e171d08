import * as fc from 'fast-check';
import { describeContract, runs } from '../support/backend-under-test';
import { bytesOf } from '../support/dtype';
import { definedGradient, expectAgreement, type LossCall, runBackend, runReference } from '../support/loss-call';
import { type ProblemShape, problemOf, problemShapes } from '../support/random-problems';

const RUNS = { numRuns: runs(400) };

/**
 * The slope of the hinge jumps at delta + margin = 0. Within rounding of the jump either side is right, so such a problem
 * says nothing; exactly on it (a tie at the threshold, no margin) all must agree.
 */
function liesOnTheJumpOfTheHinge(call: LossCall, shape: ProblemShape): boolean {
  if (shape.options.penalty !== 'hinge') return false;
  const { margin } = runReference(call).rows;
  return margin.some((delta) => {
    const distance = Math.abs(delta + (shape.options.margin ?? 0));
    return distance < 1e-6 && !(distance === 0 && (delta === 0 || shape.options.temperature === 1));
  });
}

describeContract('the loss of random problems', () => {
  it('agrees with the float64 reference in every output', () => {
    fc.assert(
      fc.property(problemShapes, (shape) => {
        const call = problemOf(shape);
        fc.pre(!liesOnTheJumpOfTheHinge(call, shape));
        expectAgreement(call);
      }),
      RUNS,
    );
  });

  it('is the same with the gradient in place, bit for bit, and leaves the padding alone', () => {
    fc.assert(
      fc.property(problemShapes, (shape) => {
        const call = problemOf(shape);
        const outOfPlace = runBackend(call);
        const before = Buffer.from(bytesOf(call.logits));
        const copy: LossCall = { ...call, logits: call.logits.slice() };
        const inPlace = runBackend(copy, { gradient: 'in-place' });
        expect(inPlace.loss).toEqual(outOfPlace.loss);
        const stride = call.rowStride ?? call.vocabSize;
        const gradient = definedGradient(outOfPlace);
        for (let row = 0; row < call.rows; ++row) {
          const [start, end] = [row * stride, row * stride + call.vocabSize];
          const written = copy.logits.subarray(start, end);
          const expected = gradient.subarray(row * call.vocabSize, (row + 1) * call.vocabSize);
          expect(bytesOf(written).equals(bytesOf(expected))).toBe(true);
          const padding = [end, Math.min(start + stride, call.logits.length)] as const;
          expect(bytesOf(copy.logits.subarray(...padding)).equals(bytesOf(call.logits.subarray(...padding)))).toBe(
            true,
          );
        }
        expect(bytesOf(call.logits).equals(before)).toBe(true);
      }),
      { numRuns: runs(100) },
    );
  });

  it('does not need the gradient for the loss and the statistics', () => {
    fc.assert(
      fc.property(problemShapes, (shape) => {
        const call = problemOf(shape);
        const [withGradient, without] = [runBackend(call), runBackend(call, { gradient: false })];
        expect(without.gradLogits).toBeUndefined();
        expect({ ...without }).toEqual({ ...withGradient, gradLogits: undefined });
      }),
      { numRuns: runs(100) },
    );
  });

  it('does not depend on what stands in the logits that the constraint excludes', () => {
    fc.assert(
      fc.property(problemShapes, (shape) => {
        const call = problemOf({ ...shape, constraint: 'csr' });
        const constraint = call.options?.allowed;
        if (constraint === undefined || !('offsets' in constraint)) throw new Error('the shape asks for CSR');
        const poisoned = call.logits.slice();
        const stride = call.rowStride ?? call.vocabSize;
        for (let row = 0; row < call.rows; ++row) {
          const allowed = new Set(constraint.tokens.subarray(constraint.offsets[row], constraint.offsets[row + 1]));
          for (let token = 0; token < call.vocabSize; ++token) {
            if (!allowed.has(token)) poisoned[row * stride + token] = call.dtype === 'float32' ? Infinity : 0x7c00;
          }
        }
        expect(runBackend({ ...call, logits: poisoned })).toEqual(runBackend(call));
      }),
      { numRuns: runs(100) },
    );
  });
});
