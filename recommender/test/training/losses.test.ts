import { fusedBearLoss } from 'fused-bear-loss';
import { lossOptions, PENALTIES, penaltyWeights } from '../../src/training/losses';
import { DEFAULT_RUN_OPTIONS } from '../../src/training/run-options';

describe('lossOptions', () => {
  it.each(['sft', 'msl'] as const)('%s is the cross-entropy', (loss) => {
    expect(lossOptions({ ...DEFAULT_RUN_OPTIONS, loss, lossBeamWidth: 7, temperature: 1.5 })).toEqual({
      beamWidth: 7,
      temperature: 1.5,
      penalty: 'none',
    });
  });

  it("has the settings of a penalty, and the authors' divisor for theirs", () => {
    const settings = { ...DEFAULT_RUN_OPTIONS, loss: 'bear' as const, lambda: 2, xi: 3, margin: 0.5, threads: 1 };
    const shared = { beamWidth: 10, temperature: 1, lambda: 2, xi: 3, threads: 1 };
    expect(lossOptions({ ...settings, penalty: 'hinge', thresholdGradient: 'flow' })).toEqual({
      ...shared,
      penalty: 'hinge',
      margin: 0.5,
      thresholdGradient: 'flow',
      reduction: 'mean',
    });
    expect(lossOptions({ ...settings, penalty: 'reweight', thresholdGradient: 'flow' })).toEqual({
      ...shared,
      penalty: 'reweight',
      reduction: 'weighted-mean',
    });
  });

  it('leaves lambdas of the decisions to the penalty weights', () => {
    const settings = { ...DEFAULT_RUN_OPTIONS, loss: 'bear' as const, lambda: 2, lambdas: [3, 4] };
    expect(lossOptions(settings)).toMatchObject({ lambda: 1 });
  });

  it.each(PENALTIES)('with lambdas of the decisions %s is what each lambda by itself gives', (penalty) => {
    const settings = { ...DEFAULT_RUN_OPTIONS, loss: 'bear' as const, penalty, lossBeamWidth: 2 };
    const lossOf = (lambda: Partial<typeof settings & { lambdas: number[] }>) => {
      const weights = penaltyWeights(lambda, Int32Array.of(0, 1, 2));
      const logits = Float32Array.of(1, 2, 3, 3, 1, 2, 0, 2, 1);
      const options = { ...lossOptions({ ...settings, ...lambda }), reduction: 'none' as const };
      const own = weights && { penaltyWeights: weights };
      return fusedBearLoss(logits, [1, 1, 0], { ...options, ...own, vocabSize: 3 }).loss as Float32Array;
    };
    const [first] = lossOf({ lambda: 5 });
    const [, ...later] = lossOf({ lambda: 0.5 });
    expect([...lossOf({ lambdas: [5, 0.5] })]).toEqual(
      [first, ...later].map((value) => expect.closeTo(value as number, 5)),
    );
  });

  it.each(PENALTIES)('the loss takes the options of %s', (penalty) => {
    const options = lossOptions({ ...DEFAULT_RUN_OPTIONS, loss: 'bear', penalty, lambda: 0.25 });
    const { loss } = fusedBearLoss(Float32Array.of(1, 2, 3), [1], { ...options, beamWidth: 2 });
    expect(loss).toBeGreaterThan(0);
  });
});

describe('penaltyWeights', () => {
  it('is not there where the penalty counts for all decisions', () => {
    expect(penaltyWeights({}, Int32Array.of(0, 1, 2))).toBeUndefined();
    expect(penaltyWeights({ lambdas: [1, 1] }, Int32Array.of(0, 1, 2))).toBeUndefined();
  });

  it('has the lambda of each decision, the last for all later ones', () => {
    const decisions = Int32Array.of(0, 1, 2, 3, 0, 1);
    expect([...(penaltyWeights({ lambdas: [4, 2] }, decisions) ?? [])]).toEqual([4, 2, 2, 2, 4, 2]);
    expect([...(penaltyWeights({ lambdas: [4, 2], penaltyEnd: 2 }, decisions) ?? [])]).toEqual([4, 2, 0, 0, 4, 2]);
  });

  it('keeps the penalty to the decisions from the first up to the end', () => {
    const decisions = Int32Array.of(0, 1, 2, 3, 0, 1);
    expect([...(penaltyWeights({ penaltyStart: 1, penaltyEnd: 3 }, decisions) ?? [])]).toEqual([0, 1, 1, 0, 0, 1]);
    expect([...(penaltyWeights({ penaltyStart: 3 }, decisions) ?? [])]).toEqual([0, 0, 0, 1, 0, 0]);
  });
});
