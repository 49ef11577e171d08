import { expectRefused, runSync, validCall } from './refusal';

describe('the container of targets', () => {
  it.each([
    [Float32Array.of(1, 4, 2)],
    [Uint32Array.of(1, 4, 2)],
    [new Set([1, 4, 2])],
    ['142'],
    [undefined],
    [null],
    [{ length: 3 }],
  ])('refuses %p', async (targets) => {
    await expectRefused({ ...validCall(), targets }, TypeError, {
      code: 'ERR_BEAR_ARGUMENT_TYPE',
      argument: 'targets',
      says: 'Int32Array',
    });
  });

  it('is an Int32Array, a BigInt64Array or a plain array, to the same effect', () => {
    const { logits, targets } = validCall();
    const expected = runSync(logits, targets);
    expect(runSync(logits, BigInt64Array.of(1n, 4n, 2n))).toEqual(expected);
    expect(runSync(logits, [1, 4, 2])).toEqual(expected);
    expect(runSync(logits, Object.freeze([1, 4, 2]))).toEqual(expected);
  });
});

describe('a target', () => {
  it.each([
    [Int32Array.of(1, 4, 5), 2, '5'],
    [Int32Array.of(-1, 4, 5), 0, '-1'],
    [Int32Array.of(1, 2 ** 31 - 1, 0), 1, '2147483647'],
    [Int32Array.of(1, -(2 ** 31), 0), 1, '-2147483648'],
    [BigInt64Array.of(1n, 5n, 2n), 1, '5'],
    // These would be the token 4 if they were cut to 32 bits first.
    [BigInt64Array.of(1n, 2n ** 32n + 4n, 2n), 1, '4294967300n'],
    [[1, 2 ** 32 + 4, 2], 1, '4294967300'],
    [[1, 1.5, 2], 1, '1.5'],
    [[1, 2, Number.NaN], 2, 'NaN'],
  ])('%p is out of range in row %i', async (targets, row, value) => {
    await expectRefused({ ...validCall(), targets }, RangeError, {
      code: 'ERR_BEAR_TARGET_OUT_OF_RANGE',
      argument: 'targets',
      row,
      says: `received ${value}`,
    });
  });

  it.each([[[1, '4', 2]], [[1, null, 2]], [[1, 4n, 2]], [[1, undefined, 2]]])(
    '%p is no number in row 1',
    async (targets) => {
      await expectRefused({ ...validCall(), targets }, TypeError, {
        code: 'ERR_BEAR_ARGUMENT_TYPE',
        argument: 'targets',
        row: 1,
      });
    },
  );

  it('that equals ignoreIndex is never out of range', () => {
    const { logits } = validCall();
    expect(runSync(logits, [1, -100, 2])).toMatchObject({ countedRows: 2 });
    expect(runSync(logits, BigInt64Array.of(1n, -100n, 2n))).toMatchObject({ countedRows: 2 });
    expect(runSync(logits, [1, 77, 2], { ignoreIndex: 77 })).toMatchObject({ countedRows: 2 });
  });

  it('of the default ignoreIndex is out of range where another one is set', async () => {
    await expectRefused({ ...validCall(), targets: [1, -100, 2], options: { ignoreIndex: -1 } }, RangeError, {
      code: 'ERR_BEAR_TARGET_OUT_OF_RANGE',
      argument: 'targets',
      row: 1,
      says: 'ignoreIndex (-1)',
    });
  });

  it('is looked for in long arrays as in short ones: the first fault is named', async () => {
    const rows = 1000;
    const targets = new Int32Array(rows);
    targets[997] = 5;
    targets[998] = -3;
    const call = { logits: new Float32Array(rows * 5), targets };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_TARGET_OUT_OF_RANGE', argument: 'targets', row: 997 });
  });
});
