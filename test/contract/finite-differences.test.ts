/** The gradient of the backend under test is the slope of its own loss, in both threshold modes. */

import { penaltyTerm } from '../reference/bear-loss-reference';
import { describeContract } from '../support/backend-under-test';
import { callOf, definedGradient, runBackend } from '../support/loss-call';
import { PENALTIES } from '../support/option-lists';
import { SeededRandom } from '../support/random';

describeContract('finite differences of the loss', () => {
  // Large enough that float32 losses tell the two sides apart, small enough for the cubic term to stay below the bound.
  const STEP = 2 ** -6;
  const BOUND = 2e-3;
  const VOCAB = 24;
  const logits = new SeededRandom(51).normals(VOCAB, 1.5);
  const common = { beamWidth: 5, lambda: 0.6, xi: 0.8, margin: 0.4, temperature: 1.2, reduction: 'sum' } as const;
  const targets = (() => {
    const order = Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number));
    return [order[1], order[4], order[12]] as number[];
  })();

  function expectSlopes(gradient: ArrayLike<number>, evaluate: (logits: Float32Array) => number) {
    for (let token = 0; token < VOCAB; ++token) {
      const moved = (distance: number) => evaluate(logits.map((z, j) => (j === token ? z + distance : z)));
      const slope = (moved(STEP) - moved(-STEP)) / (2 * STEP);
      expect(Math.abs((gradient[token] as number) - slope)).toBeLessThan(BOUND);
    }
  }

  it.each(PENALTIES.filter((penalty) => penalty !== 'reweight'))(
    'flow, %s: the slope of the loss itself',
    (penalty) => {
      for (const target of targets) {
        for (const extras of [{}, { softcap: 5, labelSmoothing: 0.1, zLoss: 0.01 }]) {
          const options = { ...common, ...extras, penalty, thresholdGradient: 'flow' } as const;
          const lossAt = (moved: Float32Array) =>
            runBackend(callOf([moved], [target], { ...options, gradient: false })).loss as number;
          expectSlopes(definedGradient(runBackend(callOf([logits], [target], options))), lossAt);
        }
      }
    },
  );

  it.each(PENALTIES)('detach, %s: the slope of the loss with the threshold held constant', (penalty) => {
    for (const target of targets) {
      const options = { ...common, penalty, thresholdGradient: 'detach' } as const;
      const base = runBackend(callOf([logits], [target], options));
      const heldLogBeta = base.rows?.threshold[0] as number;
      const heldWeight = penalty === 'reweight' ? 1 + (base.rows?.penalty[0] as number) : 1;
      const lossAt = (moved: Float32Array) => {
        const { rows } = runBackend(callOf([moved], [target], { ...options, gradient: false }));
        const nll = rows?.nll[0] as number;
        const value = penalty === 'reweight' ? 0 : penaltyTerm(penalty, heldLogBeta + nll, options).value;
        return heldWeight * nll + options.lambda * value;
      };
      expectSlopes(definedGradient(base), lossAt);
    }
  });
});
