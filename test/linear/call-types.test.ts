/** What the compiler says of a call, and that the results are so: `npm run typecheck` is half of it. */
import {
  fusedLinearBearLoss,
  fusedLinearBearLossAsync,
  type LinearBearLossOptions,
  type LinearTopTokensOptions,
  linearTopTokens,
  type SparseRows,
  type TopTokensResult,
} from '../../lib/index';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

type Asked = 'gradHidden' | 'gradWeight' | 'gradBias' | 'rows';
/** Those that a result may have, as the compiler knows it. */
type Known<Result> = Extract<keyof Result, Asked>;

const factors = (): [Float32Array, Float32Array, number[]] => [new Float32Array(2), new Float32Array(6), [1]];
const asked = (result: object) => ['gradHidden', 'gradWeight', 'gradBias', 'rows'].filter((name) => name in result);

it('without needs there are gradients of what was given', async () => {
  const plain = fusedLinearBearLoss(...factors());
  is<Same<typeof plain.loss, number>>();
  is<Same<typeof plain.gradHidden, Float32Array>>();
  is<Same<typeof plain.gradWeight, Float32Array>>();
  is<Same<typeof plain.gradBias, Float32Array | undefined>>();
  const biased = await fusedLinearBearLossAsync(...factors(), { bias: new Float32Array(3) });
  expect([plain, biased].map(asked)).toEqual([
    ['gradHidden', 'gradWeight'],
    ['gradHidden', 'gradWeight', 'gradBias'],
  ]);
});

it('with needs there are those that it names', () => {
  const none = fusedLinearBearLoss(...factors(), { needs: [], rows: true });
  is<Same<Known<typeof none>, 'rows'>>();
  const hidden = fusedLinearBearLoss(...factors(), { needs: ['hidden'], reduction: 'none' });
  is<Same<Known<typeof hidden>, 'gradHidden'>>();
  is<Same<typeof hidden.loss, Float32Array>>();
  // @ts-expect-error: it was not asked for
  expect(hidden.gradWeight).toBeUndefined();
  expect([none, hidden].map(asked)).toEqual([['rows'], ['gradHidden']]);
});

it('the gradient of hidden is of its kind, that of weight is float32', () => {
  const halves = fusedLinearBearLoss(new Uint16Array(2), new Uint16Array(6), [1], { dtype: 'bfloat16' });
  is<Same<typeof halves.gradHidden, Uint16Array>>();
  is<Same<typeof halves.gradWeight, Float32Array>>();
  expect([halves.gradHidden.constructor, halves.gradWeight.constructor]).toEqual([Uint16Array, Float32Array]);
});

it('the gradient of weight is sparse where that is asked for', () => {
  const allowed = { offsets: Int32Array.of(0, 2), tokens: Int32Array.of(0, 1), bias: new Float32Array(2) };
  const { gradWeight, gradAllowedBias } = fusedLinearBearLoss(...factors(), {
    allowed,
    needs: ['weight', 'allowedBias'],
    sparseWeightGradient: true,
  });
  is<Same<typeof gradWeight, SparseRows>>();
  is<Same<typeof gradAllowedBias, Float32Array>>();
  expect(Array.from(gradWeight.rows)).toEqual([0, 1]);
});

it('leaves open what the compiler cannot know', () => {
  const options: LinearBearLossOptions = { needs: ['weight'] };
  const result = fusedLinearBearLoss(...factors(), options);
  is<Same<typeof result.gradHidden, Float32Array | undefined>>();
  expect(asked(result)).toEqual(['gradWeight']);
});

it('does not compile with options that it does not take', () => {
  // @ts-expect-error: hidden and weight are of one kind
  expect(() => fusedLinearBearLoss(new Float32Array(2), new Uint16Array(6), [1])).toThrow();
  // @ts-expect-error: there are no logits
  expect(() => fusedLinearBearLoss(...factors(), { gradient: false })).toThrow();
  // @ts-expect-error: no such gradient
  expect(() => fusedLinearBearLoss(...factors(), { needs: ['logits'] })).toThrow();
});

it('the best tokens are those of topTokens, and none of its options that concern logits', () => {
  const best = linearTopTokens(...(factors().slice(0, 2) as [Float32Array, Float32Array]), 1, { hiddenSize: 2 });
  is<Same<typeof best, TopTokensResult>>();
  is<Same<Extract<keyof LinearTopTokensOptions, 'rowStride' | 'layout' | 'beamWidth'>, never>>();
  // @ts-expect-error: both have one type
  expect(() => linearTopTokens(new Float32Array(2), new Uint16Array(6), 1, { hiddenSize: 2 })).toThrow();
  expect(Object.keys(best).sort()).toEqual(['beamWidth', 'logProbabilities', 'logSumExp', 'tokens']);
});
