/** Every way in which a device can fail: a clear error, no leak, and the caller's buffers as they were. */
import { DeviceTensor, fusedBearLoss as deviceLoss, deviceMemory } from '../../lib/cuda/index';
import { fusedBearLoss, fusedBearLossAsync } from '../../lib/index';
import type { BearErrorCode } from '../../lib/options/errors';
import { errorOf, expectError } from '../loss/refusal';
import { DEVICE_ERROR_CODES } from '../support/device-error-codes';
import { expectNoMoreHeld, heldBlocks, useEmulator } from '../support/emulated-device';
import { SeededRandom } from '../support/random';

const { emulator, describe } = useEmulator('makes calls fail');

// cudaError_t
const INVALID_VALUE = 1;
const OUT_OF_MEMORY = 2;
const LAUNCH_OUT_OF_RESOURCES = 701;
const LAUNCH_FAILURE = 719;

const ROWS = 12;
const VOCABULARY = 700; // some rows a chunk, several chunks

function hostCall() {
  const random = new SeededRandom(1);
  return {
    logits: random.normals(ROWS * VOCABULARY, 2),
    targets: random.integers(ROWS, VOCABULARY),
    gradLogits: new Float32Array(ROWS * VOCABULARY).fill(7),
    tokenWeights: new Float32Array(ROWS).fill(0.5),
  };
}
type HostCall = ReturnType<typeof hostCall>;

function bytesOf(call: HostCall): string[] {
  return Object.values(call).map((array) => Buffer.from(array.buffer).toString('base64'));
}

function runStaged(
  { logits, targets, gradLogits, tokenWeights }: HostCall,
  reduction: 'mean' | 'weighted-mean' = 'mean',
) {
  const options = { device: 'cuda', reduction, rows: true, tokenWeights, out: { gradLogits } } as const;
  return fusedBearLoss(logits, targets, options);
}

describe('no device to use', () => {
  it('an index that no device has', async () => {
    const call = hostCall();
    const refusal = { code: 'ERR_BEAR_CUDA_DEVICE_NOT_FOUND', argument: 'device', says: /devices 0 to 1/ } as const;
    expectError(
      errorOf(() => fusedBearLoss(call.logits, call.targets, { device: 'cuda:2' })),
      RangeError,
      refusal,
    );
    await expect(fusedBearLossAsync(call.logits, call.targets, { device: 'cuda:2' })).rejects.toMatchObject({
      code: refusal.code,
    });
  });
});

describe('a call that fails on its way', () => {
  /** Lets the n-th call of a function fail, for every n that a loss gets to. */
  function failEach(name: string, status: number, reduction: 'mean' | 'weighted-mean'): (BearErrorCode | undefined)[] {
    const codes: (BearErrorCode | undefined)[] = [];
    for (let nth = 1; ; ++nth) {
      const call = hostCall();
      const bytes = bytesOf(call);
      deviceMemory().releaseCached(); // or nothing would be asked of the runtime
      emulator.reset();
      const held = heldBlocks();
      emulator.failCall(name, nth, status);
      try {
        runStaged(call, reduction);
        if ((emulator.calls()[name] ?? 0) < nth) return codes;
        codes.push(undefined); // it failed where nobody depends on it
      } catch (error) {
        codes.push((error as { code: BearErrorCode }).code);
        expect(bytesOf(call)).toEqual(bytes);
        expect(
          errorOf(() => {
            throw error;
          }).message,
        ).toMatch(/cuda:0: \w+/);
      }
      expectNoMoreHeld(held);
    }
  }

  it.each([
    ['cudaMalloc', OUT_OF_MEMORY, 'ERR_BEAR_CUDA_OUT_OF_MEMORY'],
    ['cudaHostAlloc', OUT_OF_MEMORY, 'ERR_BEAR_CUDA_OUT_OF_PINNED_MEMORY'],
    ['cudaLaunchKernelEx', LAUNCH_OUT_OF_RESOURCES, 'ERR_BEAR_CUDA_LAUNCH_FAILED'],
    ['cudaMemcpyAsync', INVALID_VALUE, 'ERR_BEAR_CUDA_FAILED'],
    ['cudaStreamCreateWithFlags', OUT_OF_MEMORY, 'ERR_BEAR_CUDA_OUT_OF_MEMORY'],
  ] as const)('%s, at each of its calls', (name, status, code) => {
    for (const reduction of ['mean', 'weighted-mean'] as const) {
      const codes = failEach(name, status, reduction);
      expect(codes.length).toBeGreaterThan(1);
      // Undefined: memory that an earlier step had given back was still to be had.
      const allowed = name === 'cudaHostAlloc' ? [code, undefined] : [code];
      expect(codes.filter((each) => !(allowed as unknown[]).includes(each))).toEqual([]);
      expect(codes).toContain(code);
    }
  });

  // What an event is for may also be done by waiting, so not each of these has to be an error.
  it.each([
    ['cudaEventCreateWithFlags', OUT_OF_MEMORY],
    ['cudaEventRecord', INVALID_VALUE],
    ['cudaStreamWaitEvent', INVALID_VALUE],
    ['cudaEventSynchronize', INVALID_VALUE],
  ])('%s, at each of its calls', (name, status) => {
    const codes = failEach(name, status, 'mean');
    expect(codes.filter((code) => code !== undefined).length).toBeGreaterThan(1);
  });

  it('and a later call is none the worse for it', () => {
    const expected = runStaged(hostCall());
    emulator.failCall('cudaLaunchKernelEx', 2, LAUNCH_OUT_OF_RESOURCES);
    expect(errorOf(() => runStaged(hostCall())).code).toBe('ERR_BEAR_CUDA_LAUNCH_FAILED');
    expect(runStaged(hostCall())).toEqual(expected);
  });

  it('gives cached memory back and tries again before it says that memory is short', () => {
    deviceMemory().releaseCached(); // or another test's block might serve
    DeviceTensor.allocate([1000], 'float32').dispose();
    emulator.reset();
    emulator.failCall('cudaMalloc', 1, OUT_OF_MEMORY);
    const tensor = DeviceTensor.allocate([100_000], 'float32');
    expect(emulator.calls().cudaMalloc).toBe(2);
    expect(deviceMemory().cachedBlocks).toBe(0);
    tensor.dispose();
  });

  it('leaves logits alone that were to become the gradient', () => {
    const { logits, targets } = hostCall();
    const before = Buffer.from(logits.buffer.slice(0));
    for (const nth of [1, 2, 3, 4, 5]) {
      emulator.reset();
      emulator.failCall('cudaLaunchKernelEx', nth, LAUNCH_OUT_OF_RESOURCES);
      const error = errorOf(() => fusedBearLoss(logits, targets, { device: 'cuda', gradient: 'in-place' }));
      expect(error.code).toBe('ERR_BEAR_CUDA_LAUNCH_FAILED');
      expect(Buffer.from(logits.buffer)).toEqual(before);
    }
  });

  // The gradient is kept aside until nothing can fail any more; the statistics come back before any is written.
  it.each([
    ['the gradient, before the device has work', ROWS, VOCABULARY, ROWS * VOCABULARY * 4],
    ['the statistics, after all chunks', 1001, 5, 1001 * 4],
  ])('says that the host has no memory for %s, and writes nothing', (_, rows, vocabSize, bytes) => {
    const random = new SeededRandom(2);
    const logits = random.normals(rows * vocabSize);
    const targets = random.integers(rows, vocabSize);
    const gradLogits = new Float32Array(rows * vocabSize).fill(7);
    const run = () => fusedBearLoss(logits, targets, { vocabSize, device: 'cuda', rows: true, out: { gradLogits } });
    const [before, held] = [logits.slice(), heldBlocks()];
    emulator.failHostAllocation(bytes);
    expectError(errorOf(run), RangeError, { code: 'ERR_BEAR_OUT_OF_MEMORY', argument: 'logits' });
    expect(logits).toEqual(before);
    expect(gradLogits.every((entry) => entry === 7)).toBe(true);
    expectNoMoreHeld(held);
    expect(run().countedRows).toBe(rows);
    expect(gradLogits).not.toContain(7);
  });

  it('rejects the promise of the asynchronous call, and writes nothing', async () => {
    const call = hostCall();
    const before = bytesOf(call);
    const held = heldBlocks();
    emulator.failCall('cudaLaunchKernelEx', 3, LAUNCH_OUT_OF_RESOURCES);
    const { logits, targets, gradLogits } = call;
    const promise = fusedBearLossAsync(logits, targets, { device: 'cuda', out: { gradLogits } });
    await expect(promise).rejects.toMatchObject({ code: 'ERR_BEAR_CUDA_LAUNCH_FAILED', argument: 'device' });
    expect(bytesOf(call)).toEqual(before);
    expectNoMoreHeld(held);
  });

  it('leaves no tensor behind where the logits are on the device', () => {
    const { logits: data, targets } = hostCall();
    const logits = DeviceTensor.fromHost(data, [ROWS, VOCABULARY]);
    const held = heldBlocks();
    for (const [name, status] of [
      ['cudaMalloc', OUT_OF_MEMORY],
      ['cudaLaunchKernelEx', LAUNCH_OUT_OF_RESOURCES],
      ['cudaHostAlloc', OUT_OF_MEMORY],
    ] as const) {
      for (const nth of [1, 2, 3]) {
        deviceMemory().releaseCached();
        emulator.reset();
        emulator.failCall(name, nth, status);
        let result: { dispose(): void } | undefined;
        try {
          result = deviceLoss(logits, targets, { rows: true, tokenWeights: new Float32Array(ROWS) });
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^ERR_BEAR_CUDA_/);
        }
        expect(result === undefined || (emulator.calls()[name] ?? 0) < nth).toBe(true);
        result?.dispose();
        expectNoMoreHeld(held);
      }
    }
    expect(Buffer.from(logits.toHost().buffer)).toEqual(Buffer.from(data.buffer));
    logits.dispose();
  });
});

describe('a kernel that fails on the device', () => {
  // The device is lost until the emulator is reset.
  it('is told of by the call that waits for it', async () => {
    const { logits: data, targets } = hostCall();
    const logits = DeviceTensor.fromHost(data, [ROWS, VOCABULARY]);
    emulator.failCall('kernel', 1, LAUNCH_FAILURE);
    const code = 'ERR_BEAR_CUDA_FAILED';
    let failure: unknown;
    try {
      const result = deviceLoss(logits, targets);
      failure = await result.read().catch((error: unknown) => error);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code, message: expect.stringMatching(/restart/) });
  });

  it('leaves host arrays as they were', () => {
    const call = hostCall();
    const before = bytesOf(call);
    emulator.failCall('kernel', 2, LAUNCH_FAILURE);
    expect(errorOf(() => runStaged(call))).toMatchObject({ code: 'ERR_BEAR_CUDA_FAILED' });
    expect(bytesOf(call)).toEqual(before);
  });
});

it('every code that needs a device is expected by some test of this folder', () => {
  const { readdirSync, readFileSync } = jest.requireActual<typeof import('node:fs')>('node:fs');
  const tests = readdirSync(__dirname).filter((file) => file.endsWith('.test.ts'));
  const sources = tests.map((file) => readFileSync(`${__dirname}/${file}`, 'utf8'));
  expect(DEVICE_ERROR_CODES.filter((code) => !sources.some((source) => source.includes(`'${code}'`)))).toEqual([]);
});
