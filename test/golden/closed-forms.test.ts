/** Numbers worked out by hand, for the reference and for the backend: parity that needs no file from elsewhere. */

import { bearLossReference } from '../reference/bear-loss-reference';
import { describeContract } from '../support/backend-under-test';
import { callOf, definedGradient, runBackend } from '../support/loss-call';
import { publicOptions } from '../support/public-options';
import { expectAllClose, expectFloatGradient, ORDINARY } from '../support/tolerance';
import { CLOSED_FORMS } from './closed-forms';

const asArray = (loss: number | ArrayLike<number>) => (typeof loss === 'number' ? [loss] : Array.from(loss));

describe('the float64 reference gives what was worked out by hand', () => {
  it.each(CLOSED_FORMS)('$name', ({ weights, targets, options, loss, gradient }) => {
    const result = bearLossReference(
      weights.map((row) => row.map(Math.log)),
      targets,
      options,
    );
    expectAllClose(asArray(result.loss), asArray(loss), 1e-14, 'loss');
    expectFloatGradient(result.gradient, gradient, gradient.length / targets.length, 1e-14);
  });
});

describeContract('fusedBearLoss gives what was worked out by hand', () => {
  it.each(CLOSED_FORMS)('$name', ({ weights, targets, options, loss, gradient }) => {
    const rows = weights.map((row) => row.map(Math.log));
    const result = runBackend(callOf(rows, targets, publicOptions(options)));
    expectAllClose(asArray(result.loss as number | Float32Array), asArray(loss), ORDINARY.loss, 'loss');
    expectFloatGradient(definedGradient(result), gradient, gradient.length / targets.length, ORDINARY.gradient);
  });
});
