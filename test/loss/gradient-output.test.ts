// Where the gradient goes, and where it must not go.
import { expectRefused, runAsync, runSync, SHARED_TWICE, validCall, validLists } from './refusal';

interface Result {
  loss: number;
  gradLogits?: Float32Array | Uint16Array;
}
const run = runSync as (logits: unknown, targets: unknown, options?: unknown) => Result;

function denseGradient(): Float32Array {
  const { logits, targets } = validCall();
  return run(logits, targets).gradLogits as Float32Array;
}

describe('gradient', () => {
  it('true: a new dense array, the logits are not written', () => {
    const { logits, targets } = validCall();
    const { gradLogits } = run(logits, targets, { gradient: true });
    expect(gradLogits).toHaveLength(15);
    expect(gradLogits).not.toBe(logits);
    expect(logits).toEqual(validCall().logits);
  });

  it('false: none, and the same loss', () => {
    const { logits, targets } = validCall();
    const result = run(logits, targets, { gradient: false });
    expect(result).not.toHaveProperty('gradLogits');
    expect(result.loss).toBe(run(logits, targets).loss);
  });

  it("'in-place': the logits' own array", () => {
    const { logits, targets } = validCall();
    expect(run(logits, targets, { gradient: 'in-place' }).gradLogits).toBe(logits);
    expect(logits).toEqual(denseGradient());
  });

  it("'in-place' of a tensor: the data of the tensor, by its stride", () => {
    const data = new Float32Array(17).fill(9);
    validCall().logits.forEach((logit, index) => {
      data[Math.floor(index / 5) * 6 + (index % 5)] = logit;
    });
    const { gradLogits } = run({ data, shape: [3, 5], rowStride: 6 }, [1, 4, 2], { gradient: 'in-place' });
    expect(gradLogits).toBe(data);
    expect([...data].filter((_, index) => index % 6 !== 5)).toEqual([...denseGradient()]);
    expect([data[5], data[11]]).toEqual([9, 9]);
  });

  it("'in-place-sparse': writes the allowed entries only", () => {
    const { logits, targets } = validCall();
    const allowed = validLists();
    const { gradLogits } = run(logits, targets, { gradient: 'in-place-sparse', allowed });
    expect(gradLogits).toBe(logits);
    const outside = [2, 3, 4, 5, 6, 7, 11, 13];
    for (const index of outside) expect(logits[index]).toBe(validCall().logits[index]);
    expect(logits[0]).not.toBe(validCall().logits[0]);
  });
});

describe("'sparse'", () => {
  const listedOf = (dense: Float32Array | Uint16Array, width: number) => {
    const { offsets, tokens } = validLists();
    return Array.from(tokens, (token, entry) => {
      const row = offsets.findIndex((_, i) => entry < (offsets[i + 1] as number));
      return dense[row * width + token] as number;
    });
  };
  const halves = () => Uint16Array.from(new Uint32Array(validCall().logits.buffer), (bits) => bits >>> 16);
  const poisoned = () => {
    const { logits } = validCall();
    logits[0] = Number.NaN;
    logits[8] = -Infinity;
    return logits;
  };

  it.each<[string, () => Float32Array | Uint16Array, object]>([
    ['a mean', () => validCall().logits, {}],
    ['an ignored row', () => validCall().logits, { ignoreIndex: 4 }],
    ['a poisoned row, and a masked logit', poisoned, { rows: true }],
    ['the weighted mean', () => validCall().logits, { reduction: 'weighted-mean', penalty: 'reweight' }],
    ['the flow through the threshold', () => validCall().logits, { thresholdGradient: 'flow', beamWidth: 2 }],
    ['bfloat16', halves, { dtype: 'bfloat16' }],
    ['padded rows', () => new Float32Array(19).map((_, i) => Math.cos(i)), { vocabSize: 5, rowStride: 7 }],
  ])('has the listed entries of the dense gradient: %s', async (_, makeLogits, options) => {
    const { targets } = validCall();
    const allowed = validLists();
    const dense = run(makeLogits(), targets, { ...options, allowed });
    const logits = makeLogits();
    const sparse = run(logits, targets, { ...options, allowed, gradient: 'sparse' });
    expect(logits).toEqual(makeLogits());
    expect(sparse.gradLogits?.constructor).toBe(logits.constructor);
    expect(Array.from(sparse.gradLogits as Float32Array)).toEqual(listedOf(dense.gradLogits as Float32Array, 5));
    expect({ ...sparse, gradLogits: 0 }).toEqual({ ...dense, gradLogits: 0 });
    expect(await runAsync(makeLogits(), targets, { ...options, allowed, gradient: 'sparse' })).toEqual(sparse);
  });

  it.each([[runSync], [runAsync]])('is written to out.gradLogits, whose rest is left alone', async (call) => {
    const { logits, targets } = validCall();
    const allowed = validLists();
    const gradLogits = new Float32Array(9).fill(7);
    const result = (await call(logits, targets, { allowed, gradient: 'sparse', out: { gradLogits } })) as Result;
    expect(result.gradLogits).toBe(gradLogits);
    const { gradLogits: expected } = run(logits, targets, { allowed, gradient: 'sparse' });
    expect(Array.from(gradLogits)).toEqual([...(expected as Float32Array), 7, 7]);
  });

  it.each<[string, object, string, string]>([
    [
      'fewer elements than entries',
      { out: { gradLogits: new Float32Array(6) } },
      'ERR_BEAR_OUT_TOO_SMALL',
      'out.gradLogits',
    ],
    ['a stride', { out: { rowStride: 7 } }, 'ERR_BEAR_OPTION_CONFLICT', 'out'],
    ['another kind of array', { out: { gradLogits: new Uint16Array(7) } }, 'ERR_BEAR_DTYPE', 'out.gradLogits'],
    ['no lists', { allowed: undefined }, 'ERR_BEAR_OPTION_CONFLICT', 'gradient'],
    ['a bitmask', { allowed: { bitmask: Uint32Array.of(31, 31, 31) } }, 'ERR_BEAR_OPTION_CONFLICT', 'gradient'],
    ['a device', { device: 'cuda' }, 'ERR_BEAR_OPTION_CONFLICT', 'gradient'],
  ])('is refused with %s', async (_, options, code, argument) => {
    const call = { ...validCall(), options: { allowed: validLists(), gradient: 'sparse', ...options } };
    const kind = code === 'ERR_BEAR_OUT_TOO_SMALL' ? RangeError : TypeError;
    await expectRefused(call, kind, { code: code as 'ERR_BEAR_DTYPE', argument });
  });

  it.each([0, 5, 14])('may not lie on the logits, not even where they begin (%i)', async (start) => {
    const memory = new Float32Array(30);
    memory.set(validCall().logits);
    const call = {
      logits: memory.subarray(0, 15),
      targets: validCall().targets,
      options: { allowed: validLists(), gradient: 'sparse', out: { gradLogits: memory.subarray(start, start + 7) } },
    };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_OUT_OVERLAP', argument: 'out.gradLogits', says: 'logits' });
    const { offsets, tokens } = validLists();
    const words = new Int32Array(14);
    words.set(tokens);
    const onLists = { allowed: { offsets, tokens: words.subarray(0, 7) }, gradient: 'sparse' };
    await expectRefused(
      { ...validCall(), options: { ...onLists, out: { gradLogits: new Float32Array(words.buffer, 8, 7) } } },
      RangeError,
      { code: 'ERR_BEAR_OUT_OVERLAP', argument: 'out.gradLogits', says: 'allowed.tokens' },
    );
  });
});

describe('out.gradLogits', () => {
  it('takes the gradient and is what the result carries', () => {
    const { logits, targets, options } = validCall();
    expect(run(logits, targets, options).gradLogits).toBe(options.out.gradLogits);
    expect(options.out.gradLogits).toEqual(denseGradient());
  });

  it('may be longer than needed: the rest is left alone', () => {
    const { logits, targets } = validCall();
    const gradLogits = new Float32Array(20).fill(7);
    run(logits, targets, { out: { gradLogits } });
    expect(gradLogits.subarray(0, 15)).toEqual(denseGradient());
    expect([...gradLogits.subarray(15)]).toEqual([7, 7, 7, 7, 7]);
  });

  it('is read by out.rowStride, elements between the rows left alone', () => {
    const { logits, targets } = validCall();
    const gradLogits = new Float32Array(19).fill(7);
    run(logits, targets, { out: { gradLogits, rowStride: 7 } });
    const dense = denseGradient();
    for (let row = 0; row < 3; ++row) {
      expect(gradLogits.subarray(row * 7, row * 7 + 5)).toEqual(dense.subarray(row * 5, row * 5 + 5));
    }
    expect([5, 6, 12, 13].map((index) => gradLogits[index])).toEqual([7, 7, 7, 7]);
  });

  it('is not needed for out.rowStride: the new array has that stride', () => {
    const { logits, targets } = validCall();
    const { gradLogits } = run(logits, targets, { out: { rowStride: 7 } });
    expect(gradLogits).toHaveLength(21);
    expect(gradLogits?.subarray(7, 12)).toEqual(denseGradient().subarray(5, 10));
  });

  it.each([
    [14, {}],
    [0, {}],
    [18, { rowStride: 7 }],
  ])('of %i elements is too small (%p)', async (length, strides) => {
    const call = { ...validCall(), options: { out: { gradLogits: new Float32Array(length).fill(7), ...strides } } };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_OUT_TOO_SMALL', argument: 'out.gradLogits' });
  });

  it.each([
    ['a Uint16Array for float32', new Float32Array(15), {}, new Uint16Array(15)],
    ['a Float32Array for float16', new Uint16Array(15), { dtype: 'float16' }, new Float32Array(15)],
    ['a Float32Array for bfloat16', new Uint16Array(15), { dtype: 'bfloat16' }, new Float32Array(15)],
  ])('is refused as %s', async (_, logits, options, gradLogits) => {
    await expectRefused({ logits, targets: [1, 4, 2], options: { ...options, out: { gradLogits } } }, TypeError, {
      code: 'ERR_BEAR_DTYPE',
      argument: 'out.gradLogits',
    });
  });

  it.each([[new Float64Array(15)], [Array(15).fill(0)], [null], [{}]])('is refused as %p', async (gradLogits) => {
    await expectRefused({ ...validCall(), options: { out: { gradLogits } } }, TypeError, {
      code: 'ERR_BEAR_ARGUMENT_TYPE',
      argument: 'out.gradLogits',
    });
  });
});

describe('out.rowStride', () => {
  it.each([4, 1])('%i is below V = 5', async (rowStride) => {
    const call = { ...validCall(), options: { out: { gradLogits: new Float32Array(99), rowStride } } };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_SHAPE', argument: 'out.rowStride' });
  });

  it.each([0, 5.5, Number.NaN, -7])('%p is no stride', async (rowStride) => {
    const call = { ...validCall(), options: { out: { gradLogits: new Float32Array(99), rowStride } } };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_OPTION_VALUE', argument: 'out.rowStride' });
  });

  it('beyond what an index can count is refused', async () => {
    const call = { ...validCall(), options: { out: { gradLogits: new Float32Array(99), rowStride: 2 ** 52 } } };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_SHAPE', argument: 'out.gradLogits', says: 'index' });
  });
});

describe('out', () => {
  it.each([[null], [new Float32Array(15)], [5], [[]]])('refuses %p', async (out) => {
    await expectRefused({ ...validCall(), options: { out } }, TypeError, {
      code: 'ERR_BEAR_ARGUMENT_TYPE',
      argument: 'out',
    });
  });
});

describe('memory that the gradient shares', () => {
  const targets = Int32Array.of(1, 4, 2);

  function memoryWithLogits(length: number, start: number, buffer: ArrayBufferLike = new ArrayBuffer(length * 4)) {
    const memory = new Float32Array(buffer);
    memory.set(validCall().logits, start);
    return memory;
  }

  it.each([
    [0, 1],
    [1, 0],
    [0, 14],
    [14, 0],
  ])('with logits at %i and itself at %i overlaps and is refused', async (start, gradientStart) => {
    const memory = memoryWithLogits(30, start);
    const logits = memory.subarray(start, start + 15);
    const gradLogits = memory.subarray(gradientStart, gradientStart + 15);
    await expectRefused({ logits, targets, options: { out: { gradLogits } } }, RangeError, {
      code: 'ERR_BEAR_OUT_OVERLAP',
      argument: 'out.gradLogits',
      says: 'logits',
    });
  });

  it('that only touches is none', () => {
    const memory = memoryWithLogits(30, 0);
    const gradLogits = memory.subarray(15);
    run(memory.subarray(0, 15), targets, { out: { gradLogits } });
    expect(gradLogits).toEqual(denseGradient());
  });

  it('and that lies exactly on the logits is in place', () => {
    const { logits } = validCall();
    const gradLogits = new Float32Array(logits.buffer);
    expect(run(logits, targets, { out: { gradLogits } }).gradLogits).toBe(gradLogits);
    expect(logits).toEqual(denseGradient());
  });

  it('but not where the strides differ', async () => {
    const data = memoryWithLogits(21, 0);
    const logits = { data, shape: [3, 5], rowStride: 7 };
    await expectRefused({ logits, targets, options: { out: { gradLogits: data } } }, RangeError, {
      code: 'ERR_BEAR_OUT_OVERLAP',
      argument: 'out.gradLogits',
    });
    run(logits, targets, { out: { gradLogits: data, rowStride: 7 } });
  });

  describe.each(SHARED_TWICE)('behind two objects of one shared memory, %s', (_, sharedTwice) => {
    it('is found', async () => {
      const [shared, twin] = await sharedTwice(64);
      expect(twin).not.toBe(shared);
      const logits = memoryWithLogits(16, 0, shared).subarray(0, 15);
      const gradLogits = new Float32Array(twin, 4, 15);
      await expectRefused({ logits, targets, options: { out: { gradLogits } } }, RangeError, {
        code: 'ERR_BEAR_OUT_OVERLAP',
        argument: 'out.gradLogits',
        says: 'logits',
      });
    });

    it('with targets is found', async () => {
      const [shared, twin] = await sharedTwice(64);
      const ids = new Int32Array(shared, 52, 3).fill(1);
      const options = { out: { gradLogits: new Float32Array(twin, 0, 15) } };
      await expectRefused({ ...validCall(), targets: ids, options }, RangeError, {
        code: 'ERR_BEAR_OUT_OVERLAP',
        argument: 'out.gradLogits',
        says: 'targets',
      });
    });

    it('and that lies exactly on the logits is in place', async () => {
      const [shared, twin] = await sharedTwice(64);
      const logits = memoryWithLogits(16, 0, shared).subarray(0, 15);
      run(logits, targets, { out: { gradLogits: new Float32Array(twin, 0, 15) } });
      expect(Array.from(logits)).toEqual(Array.from(denseGradient()));
    });

    it('that only touches is none', async () => {
      const [shared, twin] = await sharedTwice(128);
      const logits = memoryWithLogits(32, 0, shared).subarray(0, 15);
      const gradLogits = new Float32Array(twin, 60, 15);
      run(logits, targets, { out: { gradLogits } });
      expect(Array.from(gradLogits)).toEqual(Array.from(denseGradient()));
    });
  });

  it('is none behind two shared memories of the same contents', () => {
    const [first, second] = [new SharedArrayBuffer(64), new SharedArrayBuffer(64)];
    const logits = memoryWithLogits(16, 0, first).subarray(0, 15);
    const gradLogits = memoryWithLogits(16, 0, second).subarray(1, 16);
    run(logits, targets, { out: { gradLogits } });
    expect(Array.from(gradLogits)).toEqual(Array.from(denseGradient()));
    expect(Array.from(logits)).toEqual(Array.from(validCall().logits as Float32Array));
  });

  // Ids that the gradient overwrites would send the kernel out of bounds.
  const memory = () => new ArrayBuffer(256);
  it.each([
    ['targets', (buffer: ArrayBuffer) => ({ targets: new Int32Array(buffer, 40, 3) })],
    ['tokenWeights', (buffer: ArrayBuffer) => ({ options: { tokenWeights: new Float32Array(buffer, 0, 3) } })],
    ['penaltyWeights', (buffer: ArrayBuffer) => ({ options: { penaltyWeights: new Float32Array(buffer, 56, 3) } })],
    [
      'gradOutput',
      (buffer: ArrayBuffer) => ({ options: { reduction: 'none', gradOutput: new Float32Array(buffer, 4, 3) } }),
    ],
    [
      'allowed.offsets',
      (buffer: ArrayBuffer) => {
        const offsets = new Int32Array(buffer, 12, 4);
        offsets.set(validLists().offsets);
        return { options: { allowed: { ...validLists(), offsets } } };
      },
    ],
    [
      'allowed.tokens',
      (buffer: ArrayBuffer) => {
        const tokens = new Int32Array(buffer, 12, 7);
        tokens.set(validLists().tokens);
        return { options: { allowed: { ...validLists(), tokens } } };
      },
    ],
    [
      'allowed.bitmask',
      (buffer: ArrayBuffer) => ({ options: { allowed: { bitmask: new Uint32Array(buffer, 0, 3).fill(31) } } }),
    ],
  ])('with %s is refused', async (input, place) => {
    const buffer = memory();
    const placed = place(buffer) as { targets?: unknown; options?: object };
    const options = { ...placed.options, out: { gradLogits: new Float32Array(buffer, 0, 15) } };
    await expectRefused({ ...validCall(), ...placed, options }, RangeError, {
      code: 'ERR_BEAR_OUT_OVERLAP',
      argument: 'out.gradLogits',
      says: input,
    });
  });

  it('with targets is refused in place, too', async () => {
    const buffer = memory();
    const logits = new Float32Array(buffer, 0, 15);
    const call = { logits, targets: new Int32Array(buffer, 0, 3), options: { gradient: 'in-place' } };
    await expectRefused(call, RangeError, { code: 'ERR_BEAR_OUT_OVERLAP', argument: 'logits', says: 'targets' });
  });

  it('does not matter where no gradient is written', () => {
    const buffer = memory();
    const logits = new Float32Array(buffer, 0, 15);
    const ids = new Int32Array(buffer, 0, 3);
    expect(run(logits, ids, { gradient: false }).loss).toBeCloseTo(Math.log(5));
  });
});
