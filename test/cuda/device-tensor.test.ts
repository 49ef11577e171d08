import { CudaStream, DeviceTensor, deviceMemory, type TensorDType } from '../../lib/cuda/index';
import { capabilities } from '../../lib/index';
import { errorOf, expectError } from '../loss/refusal';
import { expectNoMoreHeld, heldBlocks, useDevice, useEmulator } from '../support/emulated-device';

const { configure, itWithTwo } = useDevice();
const { emulator, it: itEmulated } = useEmulator('counts what is alive');

describe('capabilities()', () => {
  it('describes the devices', () => {
    const { cuda } = capabilities();
    expect(cuda).toMatchObject({ built: true, available: true });
    expect(cuda.devices.length).toBeGreaterThan(0);
    expect(cuda.devices.map(({ index }) => index)).toEqual([...cuda.devices.keys()]);
    for (const device of cuda.devices) {
      expect(device.name).not.toBe('');
      expect(device.computeCapability).toMatch(/^\d+\.\d$/);
      expect(device.memoryBytes).toBeGreaterThan(1e9);
    }
  });
});

describe('a DeviceTensor', () => {
  it.each<[TensorDType, Float32Array | Uint16Array | Int32Array | Uint32Array]>([
    ['float32', Float32Array.of(1.5, Number.NaN, -0, Infinity, 1e-40, 7)],
    ['float16', Uint16Array.of(0x3c00, 0x7e01, 0x8000, 1, 2, 3)],
    ['bfloat16', Uint16Array.of(0x3f80, 0x7fc1, 0x8000, 1, 2, 3)],
    ['int32', Int32Array.of(-1, 2 ** 31 - 1, 0, -(2 ** 31), 4, 5)],
    ['uint32', Uint32Array.of(2 ** 32 - 1, 0, 1, 2, 3, 4)],
  ])('of %s holds what it was given, bit for bit', async (dtype, data) => {
    using tensor = DeviceTensor.fromHost(data as Float32Array, [2, 3], dtype as 'float32');
    expect({ ...tensor }).toEqual({ shape: [2, 3], dtype, device: 'cuda:0', length: 6 });
    expect(tensor.byteLength).toBe(data.byteLength);
    const synchronous = tensor.toHost();
    expect(Object.prototype.toString.call(synchronous)).toBe(Object.prototype.toString.call(data));
    expect(Buffer.from(synchronous.buffer)).toEqual(Buffer.from(data.buffer));
    expect(Buffer.from((await tensor.toHostAsync()).buffer)).toEqual(Buffer.from(data.buffer));
  });

  it('takes a part of a buffer, and shared memory', () => {
    const storage = Float32Array.of(9, 1, 2, 3, 9);
    using part = DeviceTensor.fromHost(storage.subarray(1, 4));
    expect(part.toHost()).toEqual(Float32Array.of(1, 2, 3));
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([4, 5]);
    using ofShared = DeviceTensor.fromHost(shared);
    expect(ofShared.toHost()).toEqual(Float32Array.of(4, 5));
  });

  it('has read its source when it is made', () => {
    configure({ seed: 3 }); // then copies run later
    const data = Float32Array.of(1, 2, 3);
    using tensor = DeviceTensor.fromHost(data);
    data.fill(0);
    expect(tensor.toHost()).toEqual(Float32Array.of(1, 2, 3));
  });

  it('crosses in several pieces where it is large', () => {
    const data = Float32Array.from({ length: 3_000_001 }, (_, index) => index);
    using tensor = DeviceTensor.fromHost(data);
    expect(Buffer.compare(Buffer.from(tensor.toHost().buffer), Buffer.from(data.buffer))).toBe(0);
  });

  it('that is allocated holds zeros, also where its memory was used before', () => {
    DeviceTensor.fromHost(new Float32Array(100).fill(7)).dispose();
    using tensor = DeviceTensor.allocate([10, 10], 'float32');
    expect(tensor.toHost()).toEqual(new Float32Array(100));
  });

  it('may be empty or have no dimension', () => {
    using empty = DeviceTensor.allocate([0, 5], 'float32');
    expect([empty.length, empty.byteLength, empty.toHost()]).toEqual([0, 0, new Float32Array(0)]);
    using scalar = DeviceTensor.fromHost(Float32Array.of(3), []);
    expect(scalar.toHost()).toEqual(Float32Array.of(3));
  });

  itWithTwo('lives on the device that it names', () => {
    const before = heldBlocks('cuda:1');
    using tensor = DeviceTensor.fromHost(Float32Array.of(1), [1], 'float32', 'cuda:1');
    expect(tensor.device).toBe('cuda:1');
    expect(heldBlocks('cuda:1')).toEqual([before[0] + 1, before[1]]);
    expect(tensor.toHost()).toEqual(Float32Array.of(1));
  });

  it('gives its memory back once, and then refuses', async () => {
    const before = heldBlocks();
    const tensor = DeviceTensor.allocate([4], 'float32');
    expect(tensor.disposed).toBe(false);
    tensor.dispose();
    tensor[Symbol.dispose]();
    expect(tensor.disposed).toBe(true);
    expectNoMoreHeld(before);
    const disposed = { code: 'ERR_BEAR_DISPOSED', argument: 'tensor' } as const;
    expectError(
      errorOf(() => tensor.toHost()),
      TypeError,
      disposed,
    );
    expectError(
      errorOf(() => tensor.pointer),
      TypeError,
      disposed,
    );
    await expect(tensor.toHostAsync()).rejects.toMatchObject(disposed);
  });

  it('is copied from another of its kind', () => {
    configure({ seed: 9 });
    using source = DeviceTensor.fromHost(Float32Array.of(1, 2, 3));
    using target = DeviceTensor.allocate([3, 1], 'float32');
    target.copyFrom(source);
    expect(target.toHost()).toEqual(Float32Array.of(1, 2, 3));
    using longer = DeviceTensor.allocate([4], 'float32');
    const shape = { code: 'ERR_BEAR_SHAPE', argument: 'source' } as const;
    expectError(
      errorOf(() => target.copyFrom(longer)),
      RangeError,
      shape,
    );
    using other = DeviceTensor.allocate([3], 'int32');
    const dtype = { code: 'ERR_BEAR_DTYPE', argument: 'source' } as const;
    expectError(
      errorOf(() => target.copyFrom(other as unknown as DeviceTensor<'float32'>)),
      TypeError,
      dtype,
    );
  });

  itWithTwo('is not copied from another device', () => {
    using target = DeviceTensor.allocate([3], 'float32');
    using elsewhere = DeviceTensor.allocate([3], 'float32', 'cuda:1');
    const error = errorOf(() => target.copyFrom(elsewhere));
    expectError(error, TypeError, { code: 'ERR_BEAR_DEVICE_MISMATCH', argument: 'source' });
  });

  it('tells a later copy nothing of work that comes after it', async () => {
    configure({ seed: 5 });
    const tensor = DeviceTensor.fromHost(Float32Array.of(1, 2));
    const copies = [tensor.toHostAsync(), tensor.toHostAsync()];
    tensor.dispose();
    expect(await Promise.all(copies)).toEqual([Float32Array.of(1, 2), Float32Array.of(1, 2)]);
  });
});

describe('memory of another library', () => {
  it('is used where it lies, and stays when the tensor goes', () => {
    using memory = DeviceTensor.fromHost(Float32Array.of(1, 2, 3, 4));
    memory.toHost(); // its work is done before it is handed over
    const { pointer } = memory;
    const tensor = DeviceTensor.fromPointer(pointer, [4], 'float32');
    expect(tensor.pointer).toBe(pointer);
    expect(tensor.toHost()).toEqual(Float32Array.of(1, 2, 3, 4));
    tensor.dispose();
    expect(memory.toHost()).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it.each<[string, () => unknown, 'ERR_BEAR_POINTER' | 'ERR_BEAR_ARGUMENT_TYPE']>([
    ['0', () => 0n, 'ERR_BEAR_POINTER'],
    ['a negative address', () => -16n, 'ERR_BEAR_POINTER'],
    ['one beyond 64 bits', () => 2n ** 64n, 'ERR_BEAR_POINTER'],
    ['one between two elements', () => 4098n, 'ERR_BEAR_POINTER'],
    ['one that is no memory of a device', () => 4096n, 'ERR_BEAR_POINTER'],
    ['a number', () => 4096, 'ERR_BEAR_ARGUMENT_TYPE'],
  ])('is refused at %s', (_, pointer, code) => {
    const error = errorOf(() => DeviceTensor.fromPointer(pointer() as bigint, [4], 'float32'));
    expect(error).toMatchObject({ code, argument: 'pointer' });
  });

  itWithTwo('is refused on another device', () => {
    using memory = DeviceTensor.allocate([4], 'float32');
    const error = errorOf(() => DeviceTensor.fromPointer(memory.pointer, [4], 'float32', 'cuda:1'));
    expectError(error, RangeError, { code: 'ERR_BEAR_POINTER', argument: 'pointer', says: 'device 0' });
  });
});

describe('bad arguments of a tensor', () => {
  it.each<[string, () => unknown, string, string]>([
    [
      'a shape that is none',
      () => DeviceTensor.allocate(4 as unknown as number[], 'float32'),
      'ERR_BEAR_SHAPE',
      'shape',
    ],
    ['a negative extent', () => DeviceTensor.allocate([-1], 'float32'), 'ERR_BEAR_SHAPE', 'shape'],
    ['a shape of another size', () => DeviceTensor.fromHost(new Float32Array(5), [2, 3]), 'ERR_BEAR_SHAPE', 'data'],
    ['an unknown dtype', () => DeviceTensor.allocate([1], 'float64' as 'float32'), 'ERR_BEAR_DTYPE', 'dtype'],
    ['bits without a dtype', () => DeviceTensor.fromHost(new Uint16Array(2)), 'ERR_BEAR_DTYPE', 'dtype'],
    [
      'a dtype of another array',
      () => DeviceTensor.fromHost(new Int32Array(2), [2], 'float32' as 'int32'),
      'ERR_BEAR_DTYPE',
      'dtype',
    ],
    [
      'data of another kind',
      () => DeviceTensor.fromHost(new Float64Array(2) as unknown as Float32Array),
      'ERR_BEAR_ARGUMENT_TYPE',
      'data',
    ],
    ['the CPU', () => DeviceTensor.allocate([1], 'float32', 'cpu' as 'cuda'), 'ERR_BEAR_OPTION_VALUE', 'device'],
    [
      'a device that is not there',
      () => DeviceTensor.allocate([1], 'float32', 'cuda:7'),
      'ERR_BEAR_CUDA_DEVICE_NOT_FOUND',
      'device',
    ],
  ])('%s', (_, make, code, argument) => {
    const before = heldBlocks();
    expect(errorOf(make)).toMatchObject({ code, argument });
    expectNoMoreHeld(before);
  });
});

describe('a CudaStream', () => {
  itEmulated('is made, waited for and given back', () => {
    const before = emulator.liveCounts().streams;
    const stream = CudaStream.create('cuda:1');
    expect(stream.device).toBe('cuda:1');
    expect(emulator.liveCounts().streams).toBe(before + 1);
    stream.synchronize();
    stream.dispose();
    stream.dispose();
    expect(stream.disposed).toBe(true);
    expect(emulator.liveCounts().streams).toBe(before);
    expectError(
      errorOf(() => stream.synchronize()),
      TypeError,
      { code: 'ERR_BEAR_DISPOSED', argument: 'stream' },
    );
  });

  it('of another library must have an address', () => {
    const error = errorOf(() => CudaStream.fromPointer(0n));
    expectError(error, RangeError, { code: 'ERR_BEAR_POINTER', argument: 'pointer' });
  });
});

describe('deviceMemory()', () => {
  itEmulated('counts what tensors hold and what is kept for later', () => {
    deviceMemory().releaseCached();
    const before = deviceMemory();
    expect([before.cachedBytes, before.cachedBlocks]).toEqual([0, 0]);
    const tensor = DeviceTensor.allocate([1000], 'float32');
    const during = deviceMemory();
    expect(during.allocatedBlocks).toBe(before.allocatedBlocks + 1);
    expect(during.allocatedBytes - before.allocatedBytes).toBeGreaterThanOrEqual(4000);
    tensor.dispose();
    const after = deviceMemory();
    expect([after.allocatedBytes, after.allocatedBlocks]).toEqual([before.allocatedBytes, before.allocatedBlocks]);
    expect(after.cachedBlocks).toBe(1);
    const { deviceAllocations } = emulator.liveCounts();
    after.releaseCached();
    expect(emulator.liveCounts().deviceAllocations).toBe(deviceAllocations - 1);
    expect(deviceMemory().cachedBytes).toBe(0);
  });

  itEmulated('shows that memory is used again', () => {
    DeviceTensor.allocate([1000], 'float32').dispose();
    emulator.reset();
    DeviceTensor.allocate([1001], 'float32').dispose();
    expect(emulator.calls().cudaMalloc ?? 0).toBe(0);
  });
});
