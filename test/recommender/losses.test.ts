import { fusedBearLoss } from 'fused-bear-loss';
import { lossOptions, PENALTIES } from '../../lib/recommender/losses';
import { DEFAULT_RUN_OPTIONS } from '../../lib/recommender/run-options';

describe('lossOptions', () => {
  it.each(['sft', 'msl'] as const)('%s is the cross-entropy', (loss) => {
    expect(lossOptions({ ...DEFAULT_RUN_OPTIONS, loss, lossBeamWidth: 7 })).toEqual({ beamWidth: 7, penalty: 'none' });
  });

  it("has the settings of a penalty, and the authors' divisor for theirs", () => {
    const settings = { ...DEFAULT_RUN_OPTIONS, loss: 'bear' as const, lambda: 2, xi: 3, margin: 0.5, threads: 1 };
    const shared = { beamWidth: 10, lambda: 2, xi: 3, threads: 1 };
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

  it.each(PENALTIES)('the loss takes the options of %s', (penalty) => {
    const options = lossOptions({ ...DEFAULT_RUN_OPTIONS, loss: 'bear', penalty });
    const { loss } = fusedBearLoss(Float32Array.of(1, 2, 3), [1], { ...options, beamWidth: 2 });
    expect(loss).toBeGreaterThan(0);
  });
});
