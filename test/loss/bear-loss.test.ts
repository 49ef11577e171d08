import { BearLoss, fusedBearLoss } from '../../lib/index';
import { errorOf, expectError, validCall } from './refusal';

const { logits, targets } = validCall();

describe('BearLoss', () => {
  it('computes what fusedBearLoss computes with its options', async () => {
    const options = { penalty: 'softplus', beamWidth: 2, rows: true } as const;
    const expected = fusedBearLoss(logits, targets, options);
    expect(new BearLoss(options).compute(logits, targets)).toEqual(expected);
    expect(await new BearLoss(options).computeAsync(logits, targets)).toEqual(expected);
    expect(new BearLoss().compute(logits, targets)).toEqual(fusedBearLoss(logits, targets));
  });

  it('takes overrides for one call', async () => {
    const loss = new BearLoss({ penalty: 'softplus', beamWidth: 2 });
    const expected = fusedBearLoss(logits, targets, { penalty: 'softplus', beamWidth: 3, reduction: 'none' });
    const overrides = { beamWidth: 3, reduction: 'none' } as const;
    const rows: Float32Array = loss.compute(logits, targets, overrides).loss;
    expect(rows).toEqual(expected.loss);
    expect(await loss.computeAsync(logits, targets, overrides)).toEqual(expected);
    const mean: number = loss.compute(logits, targets).loss;
    expect(mean).toBe(fusedBearLoss(logits, targets, { penalty: 'softplus', beamWidth: 2 }).loss);
  });

  it('goes back to a default where an override is undefined', () => {
    const loss = new BearLoss({ normalizer: 7 });
    expect(loss.compute(logits, targets, { normalizer: undefined, reduction: 'sum' })).toEqual(
      fusedBearLoss(logits, targets, { reduction: 'sum' }),
    );
  });

  it('does not see later changes of the object that it was given', () => {
    const options = { beamWidth: 2 };
    const loss = new BearLoss(options);
    options.beamWidth = -1;
    expect(loss.options).toEqual({ beamWidth: 2 });
    expect(loss.compute(logits, targets, { rows: true })).toEqual(
      fusedBearLoss(logits, targets, { beamWidth: 2, rows: true }),
    );
  });

  it('can be extended, and is called what it is', () => {
    class Configured extends BearLoss<'mean'> {}
    const loss = new Configured({ beamWidth: 2 });
    expect(loss).toBeInstanceOf(BearLoss);
    expect(BearLoss.name).toBe('BearLoss');
    expect(loss.compute(logits, targets)).toEqual(fusedBearLoss(logits, targets, { beamWidth: 2 }));
  });

  it.each([
    ['an unknown name', { beamWith: 2 }, TypeError, 'ERR_BEAR_OPTION_UNKNOWN', 'beamWith'],
    ['a bad value', { lambda: Infinity }, RangeError, 'ERR_BEAR_OPTION_VALUE', 'lambda'],
    ['a conflict', { reduction: 'sum', normalizer: 2 }, TypeError, 'ERR_BEAR_OPTION_CONFLICT', 'normalizer'],
    ['no object', null, TypeError, 'ERR_BEAR_ARGUMENT_TYPE', 'options'],
  ] as const)('refuses %s in the constructor and in overrides', async (_, options, kind, code, argument) => {
    const wrong = options as object;
    expectError(
      errorOf(() => new BearLoss(wrong)),
      kind,
      { code, argument },
    );
    const loss = new BearLoss();
    expectError(
      errorOf(() => loss.compute(logits, targets, wrong)),
      kind,
      { code, argument },
    );
    await expect(loss.computeAsync(logits, targets, wrong)).rejects.toMatchObject({ code, argument });
  });

  it('finds conflicts between its options and the overrides', () => {
    const loss = new BearLoss({ normalizer: 3 });
    expectError(
      errorOf(() => loss.compute(logits, targets, { reduction: 'weighted-mean' })),
      TypeError,
      { code: 'ERR_BEAR_OPTION_CONFLICT', argument: 'normalizer' },
    );
  });
});
