import { createContext, runInContext } from 'node:vm';
import { expectRefused, runSync, validCall } from './refusal';

const targets = Int32Array.of(1, 4, 2);

describe('the container of logits', () => {
  it.each([
    [new Float64Array(15)],
    [new Int32Array(15)],
    [new Uint8Array(15)],
    [Buffer.alloc(60)],
    [new DataView(new ArrayBuffer(60))],
    [new Proxy(new Float32Array(15), {})],
    [Array(15).fill(0)],
    [null],
    [undefined],
    ['logits'],
    [15],
  ])('refuses %p', async (logits) => {
    await expectRefused({ logits, targets }, TypeError, {
      code: 'ERR_BEAR_ARGUMENT_TYPE',
      argument: 'logits',
      says: 'Float32Array',
    });
  });

  it.each([[Array(15).fill(0)], [new Float64Array(15)], [undefined]])(
    'refuses %p as data of a tensor',
    async (data) => {
      await expectRefused({ logits: { data, shape: [3, 5] }, targets }, TypeError, {
        code: 'ERR_BEAR_ARGUMENT_TYPE',
        argument: 'logits.data',
      });
    },
  );

  it('takes arrays of another realm, as test runners have them', () => {
    const { logits } = validCall();
    const foreign = createContext({ numbers: Array.from(logits), ids: Array.from(targets) });
    const foreignLogits = runInContext('new Float32Array(numbers)', foreign);
    const foreignTargets = runInContext('new Int32Array(ids)', foreign);
    expect(foreignLogits).not.toBeInstanceOf(Float32Array);
    expect(runSync(foreignLogits, foreignTargets)).toEqual(runSync(logits, targets));
  });

  it('returns arrays of the realm of the caller', () => {
    const result = runSync(validCall().logits, targets, { rows: true, reduction: 'none' }) as Record<string, unknown>;
    expect(result.gradLogits).toBeInstanceOf(Float32Array);
    expect(result.loss).toBeInstanceOf(Float32Array);
    expect(result.nonFiniteRows).toBeInstanceOf(Array);
  });

  it('takes a subclass of a typed array', () => {
    class Logits extends Float32Array {}
    expect(runSync(new Logits(validCall().logits), targets)).toEqual(runSync(validCall().logits, targets));
  });
});

describe('dtype', () => {
  it.each([[undefined], ['float32']])('%p is refused for a Uint16Array', async (dtype) => {
    const options = { dtype };
    await expectRefused({ logits: new Uint16Array(15), targets, options }, TypeError, {
      code: 'ERR_BEAR_DTYPE',
      argument: 'dtype',
      says: "'float16' or 'bfloat16' for a Uint16Array",
    });
  });

  it.each(['float16', 'bfloat16'])('%s is refused for a Float32Array', async (dtype) => {
    const call = { logits: new Float32Array(15), targets, options: { dtype } };
    await expectRefused(call, TypeError, { code: 'ERR_BEAR_DTYPE', argument: 'dtype' });
  });

  it('may come with the tensor or as an option', () => {
    const data = Uint16Array.from({ length: 15 }, (_, index) => 0x3c00 + 16 * index);
    const expected = runSync(data, targets, { dtype: 'float16' });
    expect(runSync({ data, shape: [3, 5], dtype: 'float16' }, targets)).toEqual(expected);
    expect(runSync({ data, shape: [3, 5] }, targets, { dtype: 'float16' })).toEqual(expected);
    expect(runSync(data, targets, { dtype: 'bfloat16' })).not.toEqual(expected);
  });

  it('must be the same in both places', async () => {
    const logits = { data: new Uint16Array(15), shape: [3, 5], dtype: 'float16' };
    await expectRefused({ logits, targets, options: { dtype: 'bfloat16' } }, TypeError, {
      code: 'ERR_BEAR_OPTION_CONFLICT',
      argument: 'dtype',
    });
  });

  it('of a tensor must exist', async () => {
    const logits = { data: new Uint16Array(15), shape: [3, 5], dtype: 'fp16' };
    await expectRefused({ logits, targets }, RangeError, { code: 'ERR_BEAR_OPTION_VALUE', argument: 'logits.dtype' });
  });

  const float16Array = Reflect.get(globalThis, 'Float16Array') as (new (values: number[]) => unknown) | undefined;
  (float16Array ? it : it.skip)('is that of a Float16Array (skipped where Node has none)', () => {
    const values = Array.from(validCall().logits);
    const Type = float16Array as new (values: number[]) => Uint16Array;
    const logits = new Type(values);
    const bits = new Uint16Array(logits.buffer);
    const result = runSync(logits, targets) as { gradLogits: Uint16Array };
    const expected = runSync(bits, targets, { dtype: 'float16' }) as { gradLogits: Uint16Array };
    expect(Object.prototype.toString.call(result.gradLogits)).toBe('[object Float16Array]');
    expect(new Uint16Array(result.gradLogits.buffer)).toEqual(expected.gradLogits);
  });
});

describe('the vocabulary of a flat array', () => {
  it('follows from the number of targets', () => {
    expect(runSync(new Float32Array(15), targets)).toMatchObject({ loss: expect.closeTo(Math.log(5), 6) });
  });

  it.each([14, 16, 2, 0])('cannot be found in %i logits for 3 targets', async (length) => {
    await expectRefused({ logits: new Float32Array(length), targets }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'logits',
      says: 'vocabSize',
    });
  });

  it('must be told beside a row stride', async () => {
    await expectRefused({ logits: new Float32Array(15), targets, options: { rowStride: 5 } }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'vocabSize',
    });
  });

  it('does not matter where there are no rows', () => {
    expect(runSync(new Float32Array(0), [])).toEqual({
      loss: 0,
      gradLogits: new Float32Array(0),
      countedRows: 0,
      prunedRate: 0,
      accuracy: 0,
      nonFiniteRows: [],
    });
  });
});

describe('the length of logits', () => {
  it.each([
    [14, { vocabSize: 5 }],
    [16, { vocabSize: 5 }],
    [18, { vocabSize: 5, rowStride: 7 }],
    [22, { vocabSize: 5, rowStride: 7 }],
  ])('%i does not fit %p', async (length, options) => {
    await expectRefused({ logits: new Float32Array(length), targets, options }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'logits',
      says: `Float32Array(${length})`,
    });
  });

  it.each([19, 20, 21])('%i holds 3 rows of 5, 7 apart: the last row may end anywhere in its padding', (length) => {
    expect(runSync(new Float32Array(length), targets, { vocabSize: 5, rowStride: 7 })).toMatchObject({
      countedRows: 3,
    });
  });

  it.each([14, 16])('%i does not fit the shape [3, 5]', async (length) => {
    await expectRefused({ logits: { data: new Float32Array(length), shape: [3, 5] }, targets }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'logits.data',
    });
  });

  it.each([[{ vocabSize: 2 ** 52, rowStride: 2 ** 52 }], [{ vocabSize: 5, rowStride: Number.MAX_SAFE_INTEGER }]])(
    '%p: more than an index can count is refused',
    async (options) => {
      await expectRefused({ logits: new Float32Array(15), targets, options }, RangeError, {
        code: 'ERR_BEAR_SHAPE',
        argument: 'logits',
        says: 'index',
      });
    },
  );
});

describe('rowStride', () => {
  it.each([4, 1])('%i is below V = 5', async (rowStride) => {
    await expectRefused({ logits: new Float32Array(15), targets, options: { vocabSize: 5, rowStride } }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'rowStride',
      says: 'at least V = 5',
    });
  });

  it.each([4, 5.5, -7, '7', null])('of a tensor: refuses %p', async (rowStride) => {
    await expectRefused({ logits: { data: new Float32Array(15), shape: [3, 5], rowStride }, targets }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'rowStride',
    });
  });

  it('must be the same in the tensor and the options', async () => {
    const logits = { data: new Float32Array(21), shape: [3, 5], rowStride: 7 };
    await expectRefused({ logits, targets, options: { rowStride: 6 } }, TypeError, {
      code: 'ERR_BEAR_OPTION_CONFLICT',
      argument: 'rowStride',
    });
    expect(runSync(logits, targets, { rowStride: 7 })).toMatchObject({ countedRows: 3 });
  });
});

describe('shape', () => {
  const data = new Float32Array(60);

  it.each([['3,5'], [[]], [[3, 5.5]], [[-3, -20]], [[3, '20']], [[Number.NaN, 5]], [undefined], [Int32Array.of(3, 5)]])(
    'refuses %p',
    async (shape) => {
      await expectRefused({ logits: { data, shape }, targets }, RangeError, {
        code: 'ERR_BEAR_SHAPE',
        argument: 'logits.shape',
      });
    },
  );

  it('has at least one token', async () => {
    await expectRefused({ logits: { data: new Float32Array(0), shape: [3, 0] }, targets }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: 'vocabSize',
    });
  });

  it('must be that of vocabSize where both are given', async () => {
    await expectRefused({ logits: { data, shape: [3, 20] }, targets, options: { vocabSize: 19 } }, TypeError, {
      code: 'ERR_BEAR_OPTION_CONFLICT',
      argument: 'vocabSize',
    });
  });

  it('has its leading dimensions flattened to rows', () => {
    const logits = Float32Array.from(data, (_, index) => Math.cos(index));
    const ids = Int32Array.from({ length: 12 }, (_, row) => row % 5);
    const flat = runSync(logits, ids);
    for (const shape of [
      [12, 5],
      [3, 4, 5],
      [2, 3, 2, 5],
      [1, 12, 5],
    ]) {
      expect(runSync({ data: logits, shape }, ids)).toEqual(flat);
    }
    expect(runSync({ data: logits.subarray(0, 5), shape: [5] }, [3])).toEqual(runSync(logits.subarray(0, 5), [3]));
  });

  it.each([[[2, 5]], [[4, 5]], [[2 ** 30, 2 ** 30, 5]]])(
    '%p has another number of rows than there are targets',
    async (shape) => {
      await expectRefused({ logits: { data, shape }, targets }, RangeError, {
        code: 'ERR_BEAR_SHAPE',
        argument: 'targets',
        says: 'received 3 targets',
      });
    },
  );

  it('may have no rows at all', () => {
    expect(runSync({ data: new Float32Array(0), shape: [0, 5] }, [], { reduction: 'none' })).toMatchObject({
      loss: new Float32Array(0),
      gradLogits: new Float32Array(0),
    });
  });

  it('is refused beside members that a tensor does not have', async () => {
    await expectRefused({ logits: { data, shape: [3, 20], rowstride: 20 }, targets }, TypeError, {
      code: 'ERR_BEAR_OPTION_UNKNOWN',
      argument: 'logits.rowstride',
      says: 'did you mean rowStride?',
    });
  });
});
