/** Cases that mix options, with numbers kept in own-cases.json: they must not move, in the reference or in a backend. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bearLossReference } from '../reference/bear-loss-reference';
import { describeContract } from '../support/backend-under-test';
import { DTYPES } from '../support/dtype';
import { callOf, definedGradient, runBackend } from '../support/loss-call';
import { publicOptions } from '../support/public-options';
import { expectAllClose, expectFloatGradient, expectGradient, ORDINARY } from '../support/tolerance';
import type { OwnCase } from '../support/write-own-cases';

const CASES = JSON.parse(readFileSync(join(__dirname, 'own-cases.json'), 'utf8')) as OwnCase[];
const asArray = (loss: number | ArrayLike<number>) => (typeof loss === 'number' ? [loss] : Array.from(loss));

describe('the float64 reference keeps its numbers', () => {
  it.each(CASES)('$name', ({ logits, targets, options, loss, gradient }) => {
    const result = bearLossReference(logits, targets, options);
    expectAllClose(asArray(result.loss), asArray(loss), 1e-14, 'loss');
    expectFloatGradient(result.gradient, gradient, gradient.length / targets.length, 1e-13);
  });
});

describeContract('fusedBearLoss gives the kept numbers', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it.each(CASES)('$name', ({ logits, targets, options, loss, gradient }) => {
      const call = callOf(logits, targets, publicOptions(options), dtype);
      const result = runBackend(call);
      expectAllClose(asArray(result.loss as number | Float32Array), asArray(loss), ORDINARY.loss, 'loss');
      const unsmoothed = bearLossReference(logits, targets, { ...options, labelSmoothing: 0 }).gradient;
      expectGradient(definedGradient(result), gradient, dtype, call.vocabSize, ORDINARY, unsmoothed);
    });
  });
});
