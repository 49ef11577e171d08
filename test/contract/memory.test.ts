import { csrOf } from '../support/allowed-tokens';
import { computeLoss, describeContract } from '../support/backend-under-test';
import { allocate, bytesOf, DTYPES, type DType, type LogitArray } from '../support/dtype';
import {
  callOf,
  definedGradient,
  expectAgreement,
  fingerprint,
  type LossCall,
  runBackend,
  runReference,
} from '../support/loss-call';
import { SeededRandom } from '../support/random';
import { expectGradient, ORDINARY } from '../support/tolerance';

/** A number that no gradient here can be, with a recognisable bit pattern. */
const SENTINEL = { float32: 1.2345e30, float16: 0x7bca, bfloat16: 0x7bca } satisfies Record<DType, number>;

function sentinels(length: number, dtype: DType): LogitArray {
  return allocate(length, dtype).fill(SENTINEL[dtype]);
}

/** The rows of a packed call, moved apart and off alignment; what is not a row holds the sentinel. */
function spread(call: LossCall, rowStride: number, start: number, tail = 0): { call: LossCall; storage: LogitArray } {
  const { vocabSize, rows, dtype } = call;
  const used = (rows - 1) * rowStride + vocabSize;
  const storage = sentinels(start + used + tail + 9, dtype);
  const logits = storage.subarray(start, start + used + tail);
  for (let row = 0; row < rows; ++row) {
    logits.set(call.logits.subarray(row * vocabSize, (row + 1) * vocabSize), row * rowStride);
  }
  return { call: { ...call, logits, rowStride }, storage };
}

function packedCall(dtype: DType, vocabSize: number, rows = 4): LossCall {
  const random = new SeededRandom(vocabSize);
  const logits = Array.from({ length: rows }, () => random.normals(vocabSize, 3));
  const targets = random.integers(rows, vocabSize);
  targets[1] = -100;
  return callOf(logits, targets, { penalty: 'softplus', thresholdGradient: 'flow' }, dtype);
}

describeContract('row strides and unaligned starts', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it.each([1, 2, 16, 33, 100, 1001])('give the same result bit for bit as packed rows, V = %i', (vocabSize) => {
      const packed = packedCall(dtype, vocabSize);
      const expected = fingerprint(runBackend(packed));
      for (const padding of [0, 1, 2, 3, 16, 17]) {
        for (const start of [0, 1, 2, 3, 5, 7, 8, 15, 17]) {
          const { call } = spread(packed, vocabSize + padding, start);
          expect(fingerprint(runBackend(call))).toEqual(expected);
        }
      }
    });

    it('leave every element outside the rows alone when the gradient goes in place', () => {
      for (const [vocabSize, padding, start] of [
        [33, 0, 1],
        [33, 1, 3],
        [64, 5, 7],
        [1000, 3, 1],
        [1, 1, 1],
      ] as const) {
        const packed = packedCall(dtype, vocabSize);
        const gradient = definedGradient(runBackend(packed));
        for (const tail of [0, padding]) {
          const { call, storage } = spread(packed, vocabSize + padding, start, tail);
          runBackend(call, { gradient: 'in-place' });
          const { storage: expected } = spread({ ...packed, logits: gradient }, vocabSize + padding, start, tail);
          expect(bytesOf(storage).equals(bytesOf(expected))).toBe(true);
        }
      }
    });

    it('of the out buffer: every element of every row is written, and nothing else', () => {
      for (const [vocabSize, padding, start] of [
        [1, 0, 0],
        [33, 0, 1],
        [33, 7, 0],
        [64, 1, 3],
        [1000, 3, 5],
      ] as const) {
        const packed = packedCall(dtype, vocabSize);
        const gradient = definedGradient(runBackend(packed));
        const rowStride = vocabSize + padding;
        const used = (packed.rows - 1) * rowStride + vocabSize;
        const storage = sentinels(start + used + 11, dtype);
        const gradLogits = storage.subarray(start, start + used);
        const result = runBackend(packed, { out: { gradLogits, rowStride } });
        expect(result.gradLogits).toBe(gradLogits);
        const { storage: expected } = spread({ ...packed, logits: gradient }, rowStride, start, 2);
        expect(bytesOf(storage).equals(bytesOf(expected))).toBe(true);
      }
    });

    it('of the out buffer: rows under a constraint are written whole, zeros included', () => {
      const packed = packedCall(dtype, 70);
      const allowed = csrOf(
        Array.from(packed.targets, (target) => [...new Set([3, Math.max(target, 0), 69])].sort((a, b) => a - b)),
      );
      const gradLogits = sentinels(packed.rows * 70, dtype);
      runBackend(packed, { allowed, out: { gradLogits } });
      const { gradient } = runReference(packed, { allowed });
      expectGradient(gradLogits, gradient, dtype, 70, ORDINARY);
    });

    it('of the out buffer: a poisoned and an ignored row are written whole too', () => {
      const random = new SeededRandom(3);
      const rows = [random.normals(90), random.normals(90), random.normals(90)];
      (rows[0] as Float32Array)[40] = NaN;
      const call = callOf(rows, [1, -100, 2], {}, dtype);
      const gradLogits = sentinels(3 * 90, dtype);
      runBackend(call, { out: { gradLogits } });
      expectGradient(gradLogits, runReference(call).gradient, dtype, 90, ORDINARY);
    });

    it('let the logits be read from a buffer that the call never writes', () => {
      const call = packedCall(dtype, 200);
      const before = Buffer.from(bytesOf(call.logits));
      runBackend(call);
      expect(bytesOf(call.logits).equals(before)).toBe(true);
    });

    it('keep padding out of the softmax: the vocabulary ends before the stride does', () => {
      const packed = packedCall(dtype, 50);
      const { call } = spread(packed, 64, 0);
      const huge = dtype === 'float32' ? Infinity : dtype === 'float16' ? 0x7c00 : 0x7f80;
      for (let row = 0; row + 1 < call.rows; ++row) call.logits.fill(huge, row * 64 + 50, (row + 1) * 64);
      const { result } = expectAgreement(call);
      expect(result.nonFiniteRows).toEqual([]);
    });
  });

  it('the dense gradient of strided logits is packed', () => {
    const { call } = spread(packedCall('float32', 40), 57, 0);
    expect(definedGradient(runBackend(call)).length).toBe(call.rows * 40);
  });

  // Pages have it only where they are isolated from others.
  const itShared = typeof SharedArrayBuffer === 'undefined' ? it.skip : it;
  itShared('shared memory serves as well', () => {
    const packed = packedCall('float32', 130);
    const shared = new Float32Array(new SharedArrayBuffer(packed.logits.byteLength));
    shared.set(packed.logits as Float32Array);
    expect(fingerprint(runBackend({ ...packed, logits: shared }))).toEqual(fingerprint(runBackend(packed)));
  });
});

describeContract('row statistics', () => {
  it('come as one entry a row, ignored rows as 0 with rank -1', () => {
    const call = packedCall('float32', 30, 5);
    const { result } = expectAgreement(call);
    for (const column of Object.values(result.rows as object)) expect(column).toHaveLength(5);
    const { nll, logSumExp, threshold, margin, penalty, rank } = result.rows as NonNullable<typeof result.rows>;
    expect([nll[1], logSumExp[1], threshold[1], margin[1], penalty[1], rank[1]]).toEqual([0, 0, 0, 0, 0, -1]);
  });

  it('are there only when asked for', () => {
    const { logits, targets } = packedCall('float32', 30);
    expect(computeLoss(logits as Float32Array, targets, { vocabSize: 30 }).rows).toBeUndefined();
  });
});

describeContract('no rows and rows without a say', () => {
  it('N = 0 gives 0 everywhere and empty arrays', () => {
    for (const dtype of DTYPES) {
      for (const reduction of ['mean', 'sum', 'weighted-mean', 'none'] as const) {
        const call: LossCall = {
          logits: allocate(0, dtype),
          dtype,
          rows: 0,
          vocabSize: 17,
          targets: new Int32Array(0),
          options: { reduction },
        };
        const { result } = expectAgreement(call);
        expect(result.loss).toEqual(reduction === 'none' ? new Float32Array(0) : 0);
        expect(result.gradLogits).toHaveLength(0);
        expect([result.countedRows, result.prunedRate, result.accuracy]).toEqual([0, 0, 0]);
      }
    }
  });

  it('all rows ignored: loss 0, a gradient of zeros that is written, pruned rate 0', () => {
    const call = packedCall('float32', 100);
    call.targets.fill(-100);
    for (const reduction of ['mean', 'sum', 'weighted-mean', 'none'] as const) {
      const gradLogits = sentinels(call.rows * 100, 'float32') as Float32Array;
      const result = runBackend(call, { reduction, out: { gradLogits } });
      expect(result.loss).toEqual(reduction === 'none' ? new Float32Array(call.rows) : 0);
      expect(gradLogits).toEqual(new Float32Array(call.rows * 100));
      expect([result.countedRows, result.prunedRate, result.accuracy]).toEqual([0, 0, 0]);
    }
  });

  it('ignoreIndex may be any number, 0 and ids past the vocabulary included', () => {
    const random = new SeededRandom(4);
    const rows = Array.from({ length: 5 }, () => random.normals(20));
    for (const ignoreIndex of [0, 7, -1, 20, 2 ** 31 - 1, -(2 ** 31)]) {
      const { result } = expectAgreement(callOf(rows, [ignoreIndex, 3, ignoreIndex, 19, 4], { ignoreIndex }));
      expect(result.countedRows).toBe(3);
    }
  });
});

describeContract('more elements than 31 bits can count', () => {
  // Zero pages that nobody touches cost nothing; only the rows themselves are written.
  const ROW_STRIDE = 2 ** 30 + 37;
  const VOCAB = 1000;
  const storage = ((): Uint16Array | string => {
    try {
      return new Uint16Array(2 * ROW_STRIDE + VOCAB);
    } catch (error) {
      return (error as Error).message;
    }
  })();

  if (typeof storage === 'string') {
    it.skip(`rows beyond 2^31 elements (skipped: a buffer of 4 GiB cannot be had here: ${storage})`, () => {});
    return;
  }

  it('rows beyond 2^31 elements are read and written where they are', () => {
    const random = new SeededRandom(6);
    const packed = callOf(
      Array.from({ length: 3 }, () => random.normals(VOCAB, 3)),
      random.integers(3, VOCAB),
      {},
      'bfloat16',
    );
    const logits = storage;
    for (let row = 0; row < 3; ++row) {
      logits.set(packed.logits.subarray(row * VOCAB, (row + 1) * VOCAB), row * ROW_STRIDE);
    }
    const call: LossCall = { ...packed, logits, rowStride: ROW_STRIDE };
    const expected = fingerprint(runBackend(packed));
    expect(fingerprint(runBackend(call))).toEqual(expected);
    const gradient = definedGradient(runBackend(packed));
    runBackend(call, { gradient: 'in-place' });
    for (let row = 0; row < 3; ++row) {
      const written = logits.subarray(row * ROW_STRIDE, row * ROW_STRIDE + VOCAB);
      expect(bytesOf(written).equals(bytesOf(gradient.subarray(row * VOCAB, (row + 1) * VOCAB)))).toBe(true);
    }
    // A 32-bit offset would have landed here.
    expect(logits.subarray(VOCAB, VOCAB + 200).every((bits) => bits === 0)).toBe(true);
  });
});
