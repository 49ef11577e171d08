import { csrOf } from '../support/allowed-tokens';
import { describeContract } from '../support/backend-under-test';
import { DTYPES } from '../support/dtype';
import { callOf, definedGradient, expectAgreement, gradientRow, type LossCall, runBackend } from '../support/loss-call';
import { PENALTIES, REDUCTIONS } from '../support/option-lists';
import { SeededRandom } from '../support/random';
import { expectFloatGradient, ORDINARY } from '../support/tolerance';

const VOCAB = 120;

function problem(rows: number, seed = 41) {
  const random = new SeededRandom(seed);
  const logits = Array.from({ length: rows }, () => random.normals(VOCAB, 3));
  const targets = random.integers(rows, VOCAB);
  const weights = () => Float32Array.from({ length: rows }, () => 3 * random.uniform());
  return { logits, targets, tokenWeights: weights(), penaltyWeights: weights(), upstream: random.normals(rows) };
}

describeContract('the reduction over rows', () => {
  describe.each(REDUCTIONS)('%s', (reduction) => {
    it.each(PENALTIES)('agrees with the reference, with weights and without (%s)', (penalty) => {
      const { logits, targets, tokenWeights, penaltyWeights } = problem(9);
      targets[2] = -100;
      targets[8] = -100;
      for (const weights of [{}, { tokenWeights }, { penaltyWeights }, { tokenWeights, penaltyWeights }]) {
        for (const dtype of DTYPES) {
          expectAgreement(
            callOf(logits, targets, { reduction, penalty, ...weights, gradOutput: 1.5, zLoss: 1e-3 }, dtype),
          );
        }
      }
    });

    it('with weights of 0: the row still counts and has a gradient of exactly 0', () => {
      const { logits, targets } = problem(3);
      const tokenWeights = Float32Array.of(1, 0, 2);
      const { result } = expectAgreement(callOf(logits, targets, { reduction, tokenWeights }));
      expect(result.countedRows).toBe(3);
      expect(gradientRow(definedGradient(result), 'float32', 1, VOCAB).every((entry) => entry === 0)).toBe(true);
    });

    it('with penalty weights of 0: that row is plain cross-entropy', () => {
      const { logits, targets } = problem(3);
      const penaltyWeights = Float32Array.of(1, 0, 1);
      expectAgreement(callOf(logits, targets, { reduction, penaltyWeights, penalty: 'softplus' }));
      expectAgreement(callOf(logits, targets, { reduction, penaltyWeights, penalty: 'reweight' }));
    });
  });

  it('of many short rows loses nothing in the sum', () => {
    const random = new SeededRandom(43);
    const rows = Array.from({ length: 5000 }, () => random.normals(6));
    for (const reduction of REDUCTIONS) {
      expectAgreement(callOf(rows, random.integers(5000, 6), { reduction, beamWidth: 2, penalty: 'reweight' }));
    }
  });

  it('weighted-mean leaves forced rows out, z-loss and all', () => {
    const { logits, targets } = problem(4);
    const permitted = Array.from(targets, (target, row) =>
      row % 2 === 0 ? [target] : [...new Set([target, 0, 50])].sort((a, b) => a - b),
    );
    for (const penalty of PENALTIES) {
      const options = { penalty, reduction: 'weighted-mean', zLoss: 0.1, allowed: csrOf(permitted) } as const;
      const { result } = expectAgreement(callOf(logits, targets, options));
      expect(gradientRow(definedGradient(result), 'float32', 0, VOCAB).every((entry) => entry === 0)).toBe(true);
      expect(result.countedRows).toBe(4);
    }
  });

  it('weighted-mean of forced rows only is 0', () => {
    const { logits, targets } = problem(2);
    const allowed = csrOf(Array.from(targets, (target) => [target]));
    const { result } = expectAgreement(callOf(logits, targets, { reduction: 'weighted-mean', allowed, zLoss: 1 }));
    expect(result.loss).toBe(0);
  });

  it('none gives every row its own loss and the gradient of that loss', () => {
    const { logits, targets } = problem(5);
    const together = runBackend(callOf(logits, targets, { reduction: 'none' }));
    logits.forEach((row, index) => {
      const alone = runBackend(callOf([row], [targets[index] as number], { reduction: 'none' }));
      expect((alone.loss as Float32Array)[0]).toBe((together.loss as Float32Array)[index]);
      expect(gradientRow(definedGradient(together), 'float32', index, VOCAB)).toEqual(
        gradientRow(definedGradient(alone), 'float32', 0, VOCAB),
      );
    });
  });
});

describeContract('the upstream gradient', () => {
  it('of each row scales that row, not all rows by the first', () => {
    const { logits, targets, upstream } = problem(7);
    for (const dtype of DTYPES) {
      expectAgreement(callOf(logits, targets, { reduction: 'none', gradOutput: upstream }, dtype));
    }
  });

  it('of each row does not change the losses', () => {
    const { logits, targets, upstream } = problem(7);
    const plain = runBackend(callOf(logits, targets, { reduction: 'none' }));
    expect(runBackend(callOf(logits, targets, { reduction: 'none', gradOutput: upstream })).loss).toEqual(plain.loss);
  });

  it('of 0 gives a gradient of exactly 0', () => {
    const { logits, targets } = problem(3);
    for (const reduction of REDUCTIONS) {
      const result = runBackend(callOf(logits, targets, { reduction, gradOutput: 0 }));
      expect(definedGradient(result).every((entry) => entry === 0)).toBe(true);
    }
  });

  it.each([1e-6, 1e6, -3])('of %p keeps the relative precision', (gradOutput) => {
    const { logits, targets } = problem(3);
    for (const reduction of REDUCTIONS) expectAgreement(callOf(logits, targets, { reduction, gradOutput }));
  });
});

describeContract('gradient accumulation', () => {
  it('over micro-batches with a common normalizer equals the whole batch', () => {
    const { logits, targets, tokenWeights } = problem(12);
    targets[4] = -100;
    targets[5] = -100;
    const counted = targets.filter((target) => target !== -100).length;
    const part = (start: number, end: number): LossCall =>
      callOf(logits.slice(start, end), targets.slice(start, end), {
        normalizer: counted,
        tokenWeights: tokenWeights.slice(start, end),
      });
    const whole = runBackend(callOf(logits, targets, { tokenWeights }));
    const parts = [part(0, 1), part(1, 5), part(5, 6), part(6, 12)].map((call) => runBackend(call));
    const summed = parts.reduce((sum, { loss }) => sum + (loss as number), 0);
    expect(Math.abs(summed - (whole.loss as number))).toBeLessThan(1e-6);
    const gradient = parts.flatMap((result) => Array.from(definedGradient(result)));
    expectFloatGradient(gradient, Array.from(definedGradient(whole)), VOCAB, ORDINARY.gradient);
  });
});

describeContract('pruning statistics', () => {
  it('left out of plain cross-entropy change neither loss nor gradient', () => {
    const { logits, targets } = problem(6);
    targets[1] = -100;
    for (const dtype of DTYPES) {
      const call = callOf(logits, targets, { penalty: 'none', pruningStatistics: false }, dtype);
      const { result } = expectAgreement(call);
      const full = runBackend(call, { pruningStatistics: true });
      expect(result.loss).toBe(full.loss);
      expect(definedGradient(result)).toEqual(definedGradient(full));
      expect(result.prunedRate).toBeNaN();
      expect(full.prunedRate).not.toBeNaN();
    }
  });
});
