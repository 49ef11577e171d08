/** The loss of logits on a device: the same as that of host arrays, and it stays there. */
import * as fc from 'fast-check';
import {
  CudaStream,
  type DeviceBearLossOptions,
  type DeviceBearLossResult,
  DeviceTensor,
  fusedBearLoss,
} from '../../lib/cuda/index';
import { type BearLossResult, fusedBearLoss as hostLoss } from '../../lib/index';
import { errorOf, expectError } from '../loss/refusal';
import { runs } from '../support/backend-under-test';
import { bytesOf, type LogitArray } from '../support/dtype';
import { expectNoMoreHeld, heldBlocks, useDevice, useEmulator } from '../support/emulated-device';
import { callOf, fingerprint, type LossCall, runBackend } from '../support/loss-call';
import { problemOf, problemShapes } from '../support/random-problems';

const { configure, itWithTwo } = useDevice();
const { emulator, it: itEmulated } = useEmulator('counts calls of the runtime');

// The emulated device takes its time, on a busy machine more.
jest.setTimeout(120_000);

function tensorOf(call: LossCall): DeviceTensor<'float32'> {
  const { logits, rows, vocabSize, dtype } = call;
  const stride = call.rowStride ?? vocabSize;
  // The last row may end before its stride.
  const padded = logits.slice(0, 0).constructor as new (length: number) => LogitArray;
  const data = new padded(rows * stride);
  data.set(logits.subarray(0, Math.min(logits.length, data.length)));
  return DeviceTensor.fromHost(data as Float32Array, [rows, stride], dtype as 'float32');
}

/** What the device computed, in the form of a result of host arrays. */
async function toHost(result: DeviceBearLossResult): Promise<BearLossResult> {
  const { loss, ...counts } = await result.read();
  const rows = result.rows && {
    nll: result.rows.nll.toHost(),
    logSumExp: result.rows.logSumExp.toHost(),
    threshold: result.rows.threshold.toHost(),
    margin: result.rows.margin.toHost(),
    penalty: result.rows.penalty.toHost(),
    rank: result.rows.rank.toHost(),
  };
  const gradLogits = result.gradLogits?.toHost();
  return { loss, ...counts, ...(gradLogits && { gradLogits }), ...(rows && { rows }) };
}

/** Options of these tests mean the same wherever the logits are. */
const optionsOf = (call: LossCall) => call.options as DeviceBearLossOptions<'mean'>;

const small = () =>
  callOf(
    [
      [2, 0.5, -1, 0.1, 0.3],
      [1.2, 0.9, 0.2, -0.5, 0.4],
      [0, 0, 3, 0, -2],
    ],
    [0, 2, -100],
    { beamWidth: 2 },
  );

describe('logits on a device', () => {
  it('give what the same logits in host memory give there, bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(problemShapes, async (shape) => {
        const call = problemOf(shape);
        const before = heldBlocks();
        using logits = tensorOf(call);
        const onDevice = fusedBearLoss(logits, call.targets, {
          rows: true,
          ...optionsOf(call),
          vocabSize: call.vocabSize,
        });
        expect(fingerprint(await toHost(onDevice))).toEqual(fingerprint(runBackend(call)));
        onDevice.dispose();
        logits.dispose();
        expectNoMoreHeld(before);
      }),
      { numRuns: runs(300) },
    );
  });

  it('stay where they are, and so do all results', async () => {
    const call = small();
    using logits = tensorOf(call);
    using result = fusedBearLoss(logits, call.targets, { ...optionsOf(call), rows: true });
    for (const tensor of [result.loss, result.gradLogits, ...Object.values(result.rows ?? {})]) {
      expect(tensor).toBeInstanceOf(DeviceTensor);
      expect(tensor?.device).toBe('cuda:0');
    }
    expect(result.loss.shape).toEqual([]);
    expect(result.gradLogits?.shape).toEqual([3, 5]);
    const { loss, countedRows } = await result.read();
    expect(result.loss.toHost()).toEqual(Float32Array.of(loss));
    expect(countedRows).toBe(2);
  });

  itEmulated('are scored without waiting for the device', () => {
    emulator.configure({ seed: 7 });
    const call = small();
    using logits = tensorOf(call);
    emulator.reset();
    emulator.configure({ seed: 7 });
    using result = fusedBearLoss(logits, call.targets, optionsOf(call));
    const calls = emulator.calls();
    for (const wait of ['cudaStreamSynchronize', 'cudaEventSynchronize', 'cudaDeviceSynchronize']) {
      expect(calls[wait] ?? 0).toBe(0);
    }
    expect(result.loss.disposed).toBe(false);
  });

  it('take targets, weights and constraint from the device too', async () => {
    const call = small();
    const options = {
      beamWidth: 2,
      reduction: 'none' as const,
      tokenWeights: Float32Array.of(1, 2, 3),
      penaltyWeights: Float32Array.of(1, 0.5, 2),
      gradOutput: Float32Array.of(1, -1, 1),
      allowed: { offsets: Int32Array.of(0, 3, 5, 6), tokens: Int32Array.of(0, 1, 4, 1, 2, 3) },
    };
    const expected = runBackend(call, options);
    using logits = tensorOf(call);
    using result = fusedBearLoss(logits, DeviceTensor.fromHost(call.targets), {
      ...options,
      rows: true,
      tokenWeights: DeviceTensor.fromHost(options.tokenWeights),
      penaltyWeights: DeviceTensor.fromHost(options.penaltyWeights),
      gradOutput: DeviceTensor.fromHost(options.gradOutput),
      allowed: {
        offsets: DeviceTensor.fromHost(Int32Array.of(0, 3, 5, 6)),
        tokens: DeviceTensor.fromHost(Int32Array.of(0, 1, 4, 1, 2, 3)),
      },
    });
    expect(result.loss.shape).toEqual([3]);
    expect(fingerprint(await toHost(result))).toEqual(fingerprint(expected));
  });

  it('take a bitmask from the device too', async () => {
    const call = small();
    const bitmask = Uint32Array.of(0b10011, 0b00110, 0b01000);
    const expected = runBackend(call, { allowed: { bitmask } });
    using logits = tensorOf(call);
    using result = fusedBearLoss(logits, call.targets, {
      ...optionsOf(call),
      rows: true,
      allowed: { bitmask: DeviceTensor.fromHost(bitmask) },
    });
    expect(fingerprint(await toHost(result))).toEqual(fingerprint(expected));
  });

  it('take the gradient in place, or where the caller wants it', async () => {
    const call = small();
    const expected = runBackend(call, { rows: false }).gradLogits;
    using logits = tensorOf(call);
    using out = DeviceTensor.allocate([3, 7], 'float32');
    using elsewhere = fusedBearLoss(logits, call.targets, {
      ...optionsOf(call),
      out: { gradLogits: out, rowStride: 7 },
    });
    expect(elsewhere.gradLogits).toBe(out);
    await elsewhere.read();
    const padded = out.toHost();
    for (let row = 0; row < 3; ++row) {
      expect(padded.subarray(row * 7, row * 7 + 5)).toEqual(expected?.subarray(row * 5, row * 5 + 5));
      expect(padded.subarray(row * 7 + 5, row * 7 + 7)).toEqual(Float32Array.of(0, 0));
    }
    elsewhere.dispose();
    expect(out.disposed).toBe(false);
    using inPlace = fusedBearLoss(logits, call.targets, { ...optionsOf(call), gradient: 'in-place' });
    expect(inPlace.gradLogits).toBe(logits);
    expect(logits.toHost()).toEqual(expected);
  });

  it('write allowed entries only where that is asked for', () => {
    const call = small();
    using logits = tensorOf(call);
    const allowed = { offsets: Int32Array.of(0, 2, 4, 6), tokens: Int32Array.of(0, 3, 1, 2, 0, 4) };
    fusedBearLoss(logits, call.targets, { ...optionsOf(call), allowed, gradient: 'in-place-sparse' });
    const after = logits.toHost();
    const listed = [0, 3, 6, 7, 10, 14];
    const before = call.logits as Float32Array;
    const untouched = [...after.keys()].filter((index) => !listed.includes(index));
    expect(untouched.map((index) => after[index])).toEqual(untouched.map((index) => before[index]));
    expect([...after.subarray(10)].filter((_, token) => token === 0 || token === 4)).toEqual([0, 0]);
    expect(after[0]).not.toBe(before[0]);
  });

  itWithTwo('run on the device where they live', async () => {
    const call = small();
    const logits = DeviceTensor.fromHost(call.logits as Float32Array, [3, 5], 'float32', 'cuda:1');
    for (const device of ['auto', 'cuda', 'cuda:1'] as const) {
      using result = fusedBearLoss(logits, call.targets, { ...optionsOf(call), device });
      expect(result.loss.device).toBe('cuda:1');
      expect((await result.read()).loss).toBe(runBackend(call).loss);
    }
    logits.dispose();
  });

  it('may have no rows', async () => {
    using logits = DeviceTensor.allocate([0, 5], 'float32');
    using result = fusedBearLoss(logits, new Int32Array(0));
    expect(await result.read()).toEqual({ loss: 0, countedRows: 0, prunedRate: 0, accuracy: 0, nonFiniteRows: [] });
    expect(result.loss.toHost()).toEqual(Float32Array.of(0));
    expect(result.gradLogits?.toHost()).toEqual(new Float32Array(0));
  });

  it('say which rows are not finite', async () => {
    const call = callOf(
      [
        [1, 2],
        [Number.NaN, 0],
        [0, 1],
        [Infinity, 0],
      ],
      [0, 0, 1, 1],
    );
    using logits = tensorOf(call);
    using result = fusedBearLoss(logits, call.targets);
    const reading = await result.read();
    expect(reading.nonFiniteRows).toEqual([1, 3]);
    expect(reading.loss).toBeNaN();
    expect([...(result.gradLogits?.toHost() ?? [])].map(Number.isNaN)).toEqual([
      false,
      false,
      true,
      true,
      false,
      false,
      true,
      true,
    ]);
  });
});

describe('streams', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
    'order a tensor that is used on several of them (schedule %i)',
    async (seed) => {
      configure({ seed });
      const call = small();
      const expected = runBackend(call, { rows: false });
      using first = CudaStream.create();
      using second = CudaStream.create();
      using logits = tensorOf(call);
      using forward = fusedBearLoss(logits, call.targets, { ...optionsOf(call), gradient: false, stream: first });
      using inPlace = fusedBearLoss(logits, call.targets, { ...optionsOf(call), gradient: 'in-place', stream: second });
      expect(logits.toHost()).toEqual(expected.gradLogits);
      expect((await forward.read()).loss).toBe(expected.loss);
      expect((await inPlace.read()).loss).toBe(expected.loss);
    },
  );

  itWithTwo('of another device are refused', () => {
    using stream = CudaStream.create('cuda:1');
    using logits = tensorOf(small());
    const before = heldBlocks();
    const error = errorOf(() => fusedBearLoss(logits, small().targets, { stream }));
    expectError(error, TypeError, { code: 'ERR_BEAR_DEVICE_MISMATCH', argument: 'stream', says: 'cuda:1' });
    expectNoMoreHeld(before);
  });

  it('that were disposed are refused', () => {
    const stream = CudaStream.create();
    stream.dispose();
    using logits = tensorOf(small());
    const error = errorOf(() => fusedBearLoss(logits, small().targets, { stream }));
    expectError(error, TypeError, { code: 'ERR_BEAR_DISPOSED', argument: 'stream' });
  });

  it('have no use where the logits are in host memory', () => {
    using stream = CudaStream.create();
    const error = errorOf(() => hostLoss(small().logits as Float32Array, small().targets, { stream } as object));
    expectError(error, TypeError, { code: 'ERR_BEAR_OPTION_UNKNOWN', argument: 'stream' });
  });
});

describe('bad values on the device', () => {
  it('poison their row only, and read() tells of them', async () => {
    const call = small();
    const expected = runBackend(call, { rows: false }).gradLogits as Float32Array;
    using logits = tensorOf(call);
    using targets = DeviceTensor.fromHost(Int32Array.of(0, 5, -100));
    using result = fusedBearLoss(logits, targets, optionsOf(call));
    await expect(result.read()).rejects.toMatchObject({
      code: 'ERR_BEAR_TARGET_OUT_OF_RANGE',
      argument: 'targets',
      row: 1,
      received: '5',
    });
    const gradient = result.gradLogits?.toHost() as Float32Array;
    expect(gradient.subarray(0, 5)).toEqual(expected.subarray(0, 5));
    expect([...gradient.subarray(5, 10)].every(Number.isNaN)).toBe(true);
    expect(gradient.subarray(10)).toEqual(new Float32Array(5));
  });

  it.each<[string, number[], number[], string, number]>([
    ['offsets that fall', [0, 3, 2, 6], [0, 1, 4, 1, 2, 3], 'ERR_BEAR_ALLOWED_OFFSETS', 1],
    ['offsets past the tokens', [0, 3, 5, 9], [0, 1, 4, 1, 2, 3], 'ERR_BEAR_ALLOWED_OFFSETS', 2],
    ['unsorted tokens', [0, 3, 5, 6], [1, 0, 4, 1, 2, 3], 'ERR_BEAR_ALLOWED_TOKENS_ORDER', 0],
    ['a token that is none', [0, 3, 5, 6], [0, 1, 5, 1, 2, 3], 'ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE', 0],
    ['a target that is not allowed', [0, 3, 5, 6], [0, 1, 4, 1, 3, 3], 'ERR_BEAR_TARGET_NOT_ALLOWED', 1],
    ['a row without tokens', [0, 3, 3, 6], [0, 1, 4, 1, 2, 3], 'ERR_BEAR_ALLOWED_ROW_EMPTY', 1],
  ])('are found: %s', async (_, offsets, tokens, code, row) => {
    const call = small();
    using logits = tensorOf(call);
    using result = fusedBearLoss(logits, call.targets, {
      ...optionsOf(call),
      allowed: {
        offsets: DeviceTensor.fromHost(Int32Array.from(offsets)),
        tokens: DeviceTensor.fromHost(Int32Array.from(tokens)),
      },
    });
    await expect(result.read()).rejects.toMatchObject({ code, row });
  });

  it('leave a row as it is where its list is faulty and its entries alone would be written', async () => {
    const call = small();
    using logits = tensorOf(call);
    using offsets = DeviceTensor.fromHost(Int32Array.of(0, 3, 5, 7));
    using tokens = DeviceTensor.fromHost(Int32Array.of(1, 0, 4, 1, 2, 0, 4));
    using result = fusedBearLoss(logits, call.targets, {
      ...optionsOf(call),
      allowed: { offsets, tokens },
      gradient: 'in-place-sparse',
    });
    await expect(result.read()).rejects.toMatchObject({ code: 'ERR_BEAR_ALLOWED_TOKENS_ORDER', row: 0 });
    const [before, after] = [call.logits as Float32Array, logits.toHost()];
    expect(after.subarray(0, 5)).toEqual(before.subarray(0, 5));
    expect(after[6]).not.toBe(before[6]);
  });

  it('in host memory are refused at once', () => {
    using logits = tensorOf(small());
    const before = heldBlocks();
    const error = errorOf(() => fusedBearLoss(logits, Int32Array.of(0, 5, 1)));
    expectError(error, RangeError, { code: 'ERR_BEAR_TARGET_OUT_OF_RANGE', argument: 'targets', row: 1 });
    expectNoMoreHeld(before);
  });
});

describe('arguments that do not fit together', () => {
  type Case = [string, (logits: DeviceTensor<'float32'>) => unknown, string, string];
  const ofTwoDevices: Case[] = [
    [
      'targets on another device',
      (logits) => fusedBearLoss(logits, DeviceTensor.fromHost(Int32Array.of(0, 1, 2), [3], 'int32', 'cuda:1')),
      'ERR_BEAR_DEVICE_MISMATCH',
      'targets',
    ],
    [
      'another device than that of the logits',
      (logits) => fusedBearLoss(logits, [0, 1, 2], { device: 'cuda:1' }),
      'ERR_BEAR_DEVICE_MISMATCH',
      'device',
    ],
  ];
  const cases: Case[] = [
    [
      'targets of another dtype',
      (logits) =>
        fusedBearLoss(logits, DeviceTensor.fromHost(Float32Array.of(0, 1, 2)) as unknown as DeviceTensor<'int32'>),
      'ERR_BEAR_DTYPE',
      'targets',
    ],
    ['too few targets', (logits) => fusedBearLoss(logits, [0, 1]), 'ERR_BEAR_SHAPE', 'targets'],
    [
      'logits that are no numbers of a loss',
      () => fusedBearLoss(DeviceTensor.allocate([3, 5], 'int32') as unknown as DeviceTensor<'float32'>, [0, 1, 2]),
      'ERR_BEAR_DTYPE',
      'logits',
    ],
    [
      'another dtype in the options',
      (logits) => fusedBearLoss(logits, [0, 1, 2], { dtype: 'float16' }),
      'ERR_BEAR_DTYPE',
      'logits',
    ],
    [
      'the CPU for logits on a device',
      (logits) => fusedBearLoss(logits, [0, 1, 2], { device: 'cpu' }),
      'ERR_BEAR_DEVICE_MISMATCH',
      'device',
    ],
    [
      'weights of another dtype',
      (logits) =>
        fusedBearLoss(logits, [0, 1, 2], {
          tokenWeights: DeviceTensor.allocate([3], 'int32') as unknown as DeviceTensor<'float32'>,
        }),
      'ERR_BEAR_DTYPE',
      'tokenWeights',
    ],
    [
      'weights that were disposed',
      (logits) => {
        const tokenWeights = DeviceTensor.allocate([3], 'float32');
        tokenWeights.dispose();
        return fusedBearLoss(logits, [0, 1, 2], { tokenWeights });
      },
      'ERR_BEAR_DISPOSED',
      'tokenWeights',
    ],
    [
      'a gradient in host memory',
      (logits) => fusedBearLoss(logits, [0, 1, 2], { out: { gradLogits: new Float32Array(15) } } as object),
      'ERR_BEAR_DEVICE_MISMATCH',
      'out.gradLogits',
    ],
    [
      'a gradient that is too small',
      (logits) => fusedBearLoss(logits, [0, 1, 2], { out: { gradLogits: DeviceTensor.allocate([14], 'float32') } }),
      'ERR_BEAR_OUT_TOO_SMALL',
      'out.gradLogits',
    ],
  ];

  const expectRefusal = (...[, call, code, argument]: Case) => {
    using logits = tensorOf(small());
    expect(errorOf(() => call(logits))).toMatchObject({ code, argument });
    expect(Buffer.from(logits.toHost().buffer)).toEqual(Buffer.from(bytesOf(small().logits)));
  };
  it.each(cases)('%s', expectRefusal);
  itWithTwo.each(ofTwoDevices)('%s', expectRefusal);

  it('logits that were disposed', () => {
    const logits = tensorOf(small());
    logits.dispose();
    const error = errorOf(() => fusedBearLoss(logits, [0, 1, 2]));
    expectError(error, TypeError, { code: 'ERR_BEAR_DISPOSED', argument: 'logits' });
  });

  it('a gradient that overlaps an input', () => {
    using memory = DeviceTensor.allocate([64], 'float32');
    const { pointer } = memory;
    using logits = DeviceTensor.fromPointer(pointer, [3, 5], 'float32');
    using shifted = DeviceTensor.fromPointer(pointer + 16n, [3, 5], 'float32');
    const error = errorOf(() => fusedBearLoss(logits, [0, 1, 2], { out: { gradLogits: shifted } }));
    expectError(error, RangeError, {
      code: 'ERR_BEAR_OUT_OVERLAP',
      argument: 'out.gradLogits',
      says: 'overlaps logits',
    });
  });

  it('a result that was disposed', async () => {
    using logits = tensorOf(small());
    const before = heldBlocks();
    const result = fusedBearLoss(logits, small().targets);
    result.dispose();
    result.dispose();
    expectNoMoreHeld(before);
    await expect(result.read()).rejects.toMatchObject({ code: 'ERR_BEAR_DISPOSED' });
  });
});
