import { bitmaskOf } from '../support/allowed-tokens';
import { expectRefused, runSync, validCall, validLists } from './refusal';

function callWith(allowed: unknown, targets: unknown = Int32Array.of(1, 4, 2)) {
  const call = validCall();
  return { ...call, targets, options: { ...call.options, allowed } };
}

describe('the container of allowed', () => {
  it.each([[null], [[[0, 1], [3]]], ['all'], [Int32Array.of(0, 1)], [3]])('refuses %p', async (allowed) => {
    await expectRefused(callWith(allowed), TypeError, { code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'allowed' });
  });

  it.each([
    ['offsets', { ...validLists(), offsets: [0, 2, 4, 7] }],
    ['offsets', { tokens: Int32Array.of(0) }],
    ['offsets', {}],
    ['tokens', { ...validLists(), tokens: Uint32Array.of(0, 1, 3, 4, 0, 2, 4) }],
    ['tokens', { offsets: Int32Array.of(0, 2, 4, 7) }],
    ['bitmask', { bitmask: Int32Array.of(31, 31, 31) }],
    ['bitmask', { bitmask: null }],
  ])('refuses bad %s: %p', async (member, allowed) => {
    await expectRefused(callWith(allowed), TypeError, {
      code: 'ERR_BEAR_ARGUMENT_TYPE',
      argument: `allowed.${member}`,
    });
  });
});

describe('allowed.offsets', () => {
  it.each([3, 5, 0])('has N + 1 = 4 elements, not %i', async (length) => {
    await expectRefused(callWith({ ...validLists(), offsets: new Int32Array(length) }), RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'allowed.offsets',
      says: 'N + 1 = 4 elements',
    });
  });

  it.each([
    ['starts at 0', [1, 2, 4, 7], 0, 1],
    ['starts at 0, not below', [-1, 2, 4, 7], 0, -1],
    ['never falls', [0, 4, 2, 7], 1, 2],
    ['never falls, not even below 0', [0, 2, -5, 7], 1, -5],
    ['ends at the number of tokens, not before', [0, 2, 4, 6], 2, 6],
    ['ends at the number of tokens, not after', [0, 2, 4, 8], 2, 8],
    ['stays within the tokens', [0, 2, 2 ** 31 - 1, 7], 1, 2 ** 31 - 1],
  ])('%s', async (_, offsets, row, value) => {
    await expectRefused(callWith({ ...validLists(), offsets: Int32Array.from(offsets) }), RangeError, {
      code: 'ERR_BEAR_ALLOWED_OFFSETS',
      argument: 'allowed.offsets',
      row,
      says: `received ${value}`,
    });
  });

  it('is checked where there are no rows, too', async () => {
    const options = { allowed: { offsets: Int32Array.of(0), tokens: Int32Array.of(1) } };
    await expectRefused({ logits: new Float32Array(0), targets: [], options }, RangeError, {
      code: 'ERR_BEAR_ALLOWED_OFFSETS',
      argument: 'allowed.offsets',
    });
    const fine = { allowed: { offsets: Int32Array.of(0), tokens: new Int32Array(0) } };
    expect(runSync(new Float32Array(0), [], fine)).toMatchObject({ countedRows: 0 });
  });
});

describe('allowed.tokens', () => {
  it.each([
    ['unsorted', [1, 0, 3, 4, 0, 2, 4], 0, 0],
    ['repeated', [0, 1, 4, 4, 0, 2, 4], 1, 4],
    ['unsorted at the end of a row', [0, 1, 3, 4, 0, 4, 2], 2, 2],
  ])('are refused where they are %s', async (_, tokens, row, value) => {
    await expectRefused(callWith({ ...validLists(), tokens: Int32Array.from(tokens) }), RangeError, {
      code: 'ERR_BEAR_ALLOWED_TOKENS_ORDER',
      argument: 'allowed.tokens',
      row,
      says: `received ${value}`,
    });
  });

  it.each([
    ['V', [0, 1, 3, 5, 0, 2, 4], 1, 5],
    ['negative', [-1, 1, 3, 4, 0, 2, 4], 0, -1],
    ['huge', [0, 1, 3, 4, 0, 2, 2 ** 31 - 1], 2, 2 ** 31 - 1],
    ['huge, and not last', [0, 1, 2 ** 31 - 1, 4, 0, 2, 4], 1, 2 ** 31 - 1],
  ])('are refused where one is %s', async (_, tokens, row, value) => {
    await expectRefused(callWith({ ...validLists(), tokens: Int32Array.from(tokens) }), RangeError, {
      code: 'ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE',
      argument: 'allowed.tokens',
      row,
      says: `received ${value}`,
    });
  });

  it('are checked in ignored rows as well: the gradient is written there', async () => {
    const tokens = Int32Array.of(0, 1, 3, 5, 0, 2, 4);
    await expectRefused(callWith({ ...validLists(), tokens }, [1, -100, 2]), RangeError, {
      code: 'ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE',
      argument: 'allowed.tokens',
      row: 1,
    });
  });
});

describe('allowed.bitmask', () => {
  it.each([2, 4, 6])('has N * ceil(V / 32) = 3 words, not %i', async (length) => {
    await expectRefused(callWith({ bitmask: new Uint32Array(length) }), RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'allowed.bitmask',
    });
  });
});

describe.each([
  ['lists', validLists()],
  [
    'a bitmask',
    bitmaskOf(
      [
        [0, 1],
        [3, 4],
        [0, 2, 4],
      ],
      5,
      1,
    ),
  ],
])('targets under %s', (_, allowed) => {
  it.each([
    [[2, 4, 2], 0, 2],
    [[1, 0, 2], 1, 0],
    [[1, 4, 3], 2, 3],
  ])('%p: row %i has a target that is not allowed', async (targets, row, value) => {
    await expectRefused(callWith(allowed, targets), RangeError, {
      code: 'ERR_BEAR_TARGET_NOT_ALLOWED',
      argument: 'targets',
      row,
      says: `received ${value}`,
    });
  });

  it('may be anything where they are ignored', () => {
    const { logits } = validCall();
    expect(runSync(logits, [-100, 4, 2], { allowed })).toMatchObject({ countedRows: 2 });
    expect(runSync(logits, [2, 4, 0], { allowed, ignoreIndex: 2 })).toMatchObject({ countedRows: 2 });
  });
});

describe('a row without an allowed token', () => {
  const lists = { offsets: Int32Array.of(0, 2, 2, 5), tokens: Int32Array.of(0, 1, 0, 2, 4) };
  // Bits past the vocabulary allow nothing.
  const bitmask = { bitmask: Uint32Array.of(0b00011, 0xffffffe0, 0b10101) };

  it.each([
    ['lists', lists],
    ['a bitmask', bitmask],
  ])('is refused where it counts (%s)', async (_, allowed) => {
    await expectRefused(callWith(allowed), RangeError, {
      code: 'ERR_BEAR_ALLOWED_ROW_EMPTY',
      argument: 'allowed',
      row: 1,
    });
  });

  it.each([
    ['lists', lists],
    ['a bitmask', bitmask],
  ])('is fine where it is ignored (%s)', (_, allowed) => {
    expect(runSync(validCall().logits, [1, -100, 2], { allowed })).toMatchObject({ countedRows: 2 });
  });

  it('of a vocabulary of whole words is found, too', async () => {
    const call = {
      logits: new Float32Array(128),
      targets: [5, 5],
      options: { allowed: { bitmask: Uint32Array.of(32, 0, 0, 0) } },
    };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_ALLOWED_ROW_EMPTY', argument: 'allowed', row: 1 });
  });
});

describe('several faults', () => {
  it('the one in the first row is named, whatever its kind', async () => {
    const offsets = Int32Array.of(0, 2, 4, 99);
    const unsorted = Int32Array.of(1, 0, 3, 4, 0, 2, 4);
    await expectRefused(callWith({ offsets, tokens: unsorted }, [1, 9, 2]), RangeError, {
      code: 'ERR_BEAR_ALLOWED_TOKENS_ORDER',
      argument: 'allowed.tokens',
      row: 0,
    });
    const { tokens } = validLists();
    await expectRefused(callWith({ offsets, tokens }, [1, 9, 2]), RangeError, {
      code: 'ERR_BEAR_TARGET_OUT_OF_RANGE',
      argument: 'targets',
      row: 1,
    });
    await expectRefused(callWith({ offsets, tokens }, [1, 4, 2]), RangeError, {
      code: 'ERR_BEAR_ALLOWED_OFFSETS',
      argument: 'allowed.offsets',
      row: 2,
    });
  });
});
