/** The entry `fused-bear-loss/cuda` and the main entry: what belongs to one of them is refused by the other, which names it. */
import { DeviceTensor, fusedBearLoss as deviceLoss } from '../../lib/cuda/index';
import { TokenTrie } from '../../lib/decoding/index';
import { fusedBearLoss, topTokens } from '../../lib/index';
import { errorOf, expectError, expectRefused, validCall, validLists } from '../loss/refusal';
import { expectNoMoreHeld, heldBlocks, useDevice } from '../support/emulated-device';

useDevice();

const lists = () => ({
  offsets: DeviceTensor.fromHost(validLists().offsets),
  tokens: DeviceTensor.fromHost(validLists().tokens),
});

describe('a tensor of a device that the main entry is given', () => {
  const elsewhere = { code: 'ERR_BEAR_DEVICE_MISMATCH', says: 'entry fused-bear-loss/cuda' } as const;

  it('as logits', async () => {
    using logits = DeviceTensor.fromHost(validCall().logits, [3, 5]);
    await expectRefused({ ...validCall(), logits }, TypeError, { ...elsewhere, argument: 'logits' });
    expect(logits.disposed).toBe(false);
  });

  it('as data of logits with a shape', async () => {
    using data = DeviceTensor.fromHost(validCall().logits, [3, 5]);
    const call = { ...validCall(), logits: { data, shape: [3, 5] } };
    await expectRefused(call, TypeError, { ...elsewhere, argument: 'logits.data' });
  });

  it('as targets', async () => {
    using targets = DeviceTensor.fromHost(validCall().targets);
    await expectRefused({ ...validCall(), targets }, TypeError, { ...elsewhere, argument: 'targets' });
  });

  it.each<[string, () => unknown, string]>([
    ['tokenWeights', () => DeviceTensor.allocate([3], 'float32'), 'tokenWeights'],
    ['penaltyWeights', () => DeviceTensor.allocate([3], 'float32'), 'penaltyWeights'],
    ['gradOutput', () => DeviceTensor.allocate([3], 'float32'), 'gradOutput'],
    ['allowed', lists, 'allowed.offsets'],
    ['allowed', () => ({ bitmask: DeviceTensor.allocate([3], 'uint32') }), 'allowed.bitmask'],
    ['out', () => ({ gradLogits: DeviceTensor.allocate([3, 5], 'float32') }), 'out.gradLogits'],
  ])('as the option %s', async (option, make, argument) => {
    const options = { reduction: 'none', [option]: make() };
    await expectRefused({ ...validCall(), options }, TypeError, { ...elsewhere, argument });
  });

  it('as logits of topTokens or lists of a trie', () => {
    using logits = DeviceTensor.fromHost(validCall().logits, [3, 5]);
    const search = errorOf(() => topTokens(logits as unknown as Float32Array, 2, { vocabSize: 5 }));
    expectError(search, TypeError, { ...elsewhere, argument: 'logits' });
    const trie = errorOf(() => TokenTrie.fromLists(lists() as unknown as ReturnType<typeof validLists>));
    expect(trie).toMatchObject({ code: elsewhere.code, message: expect.stringContaining(elsewhere.says) });
  });
});

describe('memory of the host that the entry of devices is given', () => {
  const loss = deviceLoss as (logits: unknown, targets: unknown, options?: object) => unknown;

  it.each<[string, unknown]>([
    ['an array', validCall().logits],
    ['an array with a shape', { data: validCall().logits, shape: [3, 5] }],
  ])('as logits: %s', (_, logits) => {
    const before = heldBlocks();
    const error = errorOf(() => loss(logits, validCall().targets));
    expectError(error, TypeError, {
      code: 'ERR_BEAR_DEVICE_MISMATCH',
      argument: 'logits',
      says: /the entry fused-bear-loss$|the entry fused-bear-loss,/,
    });
    expectNoMoreHeld(before);
  });

  it.each([[null], [undefined], [5], ['logits']])('is told from what cannot be logits at all: %p', (logits) => {
    const error = errorOf(() => loss(logits, validCall().targets));
    expectError(error, TypeError, { code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'logits', says: 'DeviceTensor' });
  });

  it('as the place of the gradient', () => {
    using logits = DeviceTensor.fromHost(validCall().logits, [3, 5]);
    const error = errorOf(() => loss(logits, validCall().targets, validCall().options));
    expectError(error, TypeError, { code: 'ERR_BEAR_DEVICE_MISMATCH', argument: 'out.gradLogits' });
  });
});

describe('options of the one entry', () => {
  it.each([['threads'], ['signal']])('%s is none of the other', (option) => {
    using logits = DeviceTensor.fromHost(validCall().logits, [3, 5]);
    const error = errorOf(() => deviceLoss(logits, validCall().targets, { [option]: 1 }));
    expectError(error, TypeError, { code: 'ERR_BEAR_OPTION_UNKNOWN', argument: option });
  });

  it('stream is none of the other', async () => {
    const options = { stream: undefined };
    await expectRefused({ ...validCall(), options }, TypeError, {
      code: 'ERR_BEAR_OPTION_UNKNOWN',
      argument: 'stream',
    });
  });

  it("device: 'auto' of the main entry is the CPU", () => {
    const { logits, targets } = validCall();
    const before = heldBlocks();
    expect(fusedBearLoss(logits, targets, { device: 'auto' })).toEqual(
      fusedBearLoss(logits, targets, { device: 'cpu' }),
    );
    expect(heldBlocks()).toEqual(before);
  });
});
