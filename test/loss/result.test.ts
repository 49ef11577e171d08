import { type BearLossOptions, type BearLossResult, fusedBearLoss, fusedBearLossAsync } from '../../lib/index';
import { validCall } from './refusal';

const LOG_5 = Math.log(5);

describe('the result', () => {
  it('has the documented fields and no other', () => {
    const { logits, targets } = validCall();
    const fields = ['loss', 'gradLogits', 'countedRows', 'prunedRate', 'accuracy', 'nonFiniteRows'];
    expect(Object.keys(fusedBearLoss(logits, targets)).sort()).toEqual([...fields].sort());
    const result = fusedBearLoss(logits, targets, { rows: true });
    expect(Object.keys(result).sort()).toEqual([...fields, 'rows'].sort());
    const columns = ['nll', 'logSumExp', 'threshold', 'margin', 'penalty', 'rank'];
    expect(Object.keys(result.rows ?? {}).sort()).toEqual([...columns].sort());
  });

  it('says of known logits what can be worked out by hand', () => {
    // Row 0: the target is the second of five, beam width 1 prunes it by a margin of 1. Row 1: the target leads.
    const logits = Float32Array.of(2, 1, 0, 0, 0, 0, 0, 3, 0, 0);
    const result = fusedBearLoss(logits, [1, 2], { beamWidth: 1, lambda: 0.5, rows: true, reduction: 'none' });
    const lse = [Math.log(Math.exp(2) + Math.exp(1) + 3), Math.log(Math.exp(3) + 4)] as const;
    const close = (values: number[]) => values.map((value) => expect.closeTo(value, 5));
    expect([...result.loss]).toEqual(close([lse[0] - 1 + 0.5, lse[1] - 3]));
    expect(result).toMatchObject({ countedRows: 2, prunedRate: 0.5, accuracy: 0.5, nonFiniteRows: [] });
    expect([...(result.rows?.nll ?? [])]).toEqual(close([lse[0] - 1, lse[1] - 3]));
    expect([...(result.rows?.logSumExp ?? [])]).toEqual(close([...lse]));
    expect([...(result.rows?.threshold ?? [])]).toEqual(close([2 - lse[0], 3 - lse[1]]));
    expect([...(result.rows?.margin ?? [])]).toEqual([1, 0]);
    expect([...(result.rows?.penalty ?? [])]).toEqual([1, 0]);
    expect([...(result.rows?.rank ?? [])]).toEqual([1, 0]);
  });

  it('counts over counted rows only, and lists the rows that are not finite', () => {
    const logits = new Float32Array(20);
    logits[5] = Number.NaN;
    const result = fusedBearLoss(logits, [1, 2, -100, 0], { vocabSize: 5 });
    expect(result).toMatchObject({ loss: Number.NaN, countedRows: 3, nonFiniteRows: [1] });
    expect(result.accuracy).toBeCloseTo(2 / 3);
  });

  it('has no pruned rate where the threshold was not searched for', () => {
    const { logits, targets } = validCall();
    const options = { penalty: 'none', rows: true } as const;
    const lean = fusedBearLoss(logits, targets, { ...options, pruningStatistics: false });
    const full = fusedBearLoss(logits, targets, options);
    expect(lean.prunedRate).toBeNaN();
    expect([...(lean.rows?.threshold ?? [])]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect([...(lean.rows?.margin ?? [])]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(lean).toMatchObject({ loss: full.loss, gradLogits: full.gradLogits, accuracy: full.accuracy });
    expect(lean.rows?.rank).toEqual(full.rows?.rank);
  });
});

// These hold at compile time, where `npm run typecheck` reads them; at run time they check the values that go with it.
describe('the types of the result', () => {
  const logits = new Float32Array(10);

  it('know the loss by the reduction', async () => {
    const mean: number = fusedBearLoss(logits, [1, 2]).loss;
    const sum: number = fusedBearLoss(logits, [1, 2], { reduction: 'sum', beamWidth: 3 }).loss;
    const rows: Float32Array = fusedBearLoss(logits, [1, 2], { reduction: 'none' }).loss;
    const later: Float32Array = (await fusedBearLossAsync(logits, [1, 2], { reduction: 'none' })).loss;
    expect(mean).toBeCloseTo(LOG_5);
    expect(sum).toBeCloseTo(2 * LOG_5);
    expect([...rows]).toEqual([...later]);
    // @ts-expect-error: a vector
    const wrong: number = fusedBearLoss(logits, [1, 2], { reduction: 'none' }).loss;
    expect(wrong).toBeInstanceOf(Float32Array);
  });

  it('leave it open where the reduction is not known', () => {
    const options: BearLossOptions = { reduction: 'sum' };
    const result: BearLossResult = fusedBearLoss(logits, [1, 2], options);
    // @ts-expect-error: a number or a vector
    const wrong: number = result.loss;
    expect(wrong).toBeCloseTo(2 * LOG_5);
  });

  it('know the gradient by the logits', () => {
    const single: Float32Array | undefined = fusedBearLoss(logits, [1, 2]).gradLogits;
    const half: Uint16Array | undefined = fusedBearLoss(
      { data: new Uint16Array(10), shape: [2, 5], dtype: 'bfloat16' },
      [1, 2],
    ).gradLogits;
    expect(single).toBeInstanceOf(Float32Array);
    expect(half).toBeInstanceOf(Uint16Array);
  });

  it('refuse misspelled options and wrong values', () => {
    // @ts-expect-error: beamWidth
    expect(() => fusedBearLoss(logits, [1, 2], { beamWith: 3 })).toThrow('beamWidth');
    // @ts-expect-error: no such penalty
    expect(() => fusedBearLoss(logits, [1, 2], { penalty: 'soft' })).toThrow('softplus');
  });
});
