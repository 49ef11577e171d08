/// <reference lib="esnext.disposable" preserve="true" />
import { allocate, assertAttached } from '../loss/arrays.js';
import { unwrap } from '../loss/device-errors.js';
import { chooseDType, dtypesOfArray as dtypesOfLogits } from '../loss/logits.js';
import { native } from '../native/backend.js';
import type { NativeDeviceFailure, NativeStorage, NativeStream } from '../native/binding.js';
import { registerCudaObject } from '../options/describe.js';
import { type CudaDeviceName, checkPointer, deviceIndex, deviceName, readDevice } from '../options/device-names.js';
import { fail, refuse } from '../options/errors.js';
import type { LogitsArray } from '../options/options.js';
import { readShape } from '../options/shape.js';
import { expectedNames } from '../options/suggest.js';
import { isArrayOf, lengthOf, memoryOf } from '../options/typed-arrays.js';
import { type CudaStream, openStream } from './cuda-stream.js';

/** Logits and everything beside them: targets and allowed ids are `int32`, a bitmask is `uint32`. */
export const TENSOR_DTYPES = ['float32', 'float16', 'bfloat16', 'int32', 'uint32'] as const;
export type TensorDType = (typeof TENSOR_DTYPES)[number];

/** What a tensor is in host memory. float16 and bfloat16 are bits. */
export type HostArray<D extends TensorDType> = D extends 'float32'
  ? Float32Array
  : D extends 'int32'
    ? Int32Array
    : D extends 'uint32'
      ? Uint32Array
      : Uint16Array;

/** Arrays that can be copied to a device. */
export type HostTensorData = LogitsArray | Int32Array | Uint32Array;

type DTypeOf<A> = A extends Float32Array
  ? 'float32'
  : A extends Int32Array
    ? 'int32'
    : A extends Uint32Array
      ? 'uint32'
      : A extends Uint16Array
        ? 'float16' | 'bfloat16'
        : 'float16';

const ELEMENT_BYTES: Record<TensorDType, number> = { float32: 4, float16: 2, bfloat16: 2, int32: 4, uint32: 4 };
const HOST_ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
};

/** What a tensor is made of, before it is one. */
interface Description<D extends TensorDType> {
  shape: readonly number[];
  dtype: D;
  length: number;
  device: number;
}

let storageOf: (tensor: DeviceTensor) => NativeStorage | undefined;
let construct: <D extends TensorDType>(storage: NativeStorage, description: Description<D>) => DeviceTensor<D>;

/**
 * Numbers in the memory of a CUDA device. `dispose()` (or `using`) gives the memory back at once; a tensor that nobody
 * holds any more gives it back when it is collected. Work that was enqueued before still has it.
 *
 * Methods throw ERR_BEAR_DISPOSED after `dispose()`, and a code of ERR_BEAR_CUDA_ for what the device reports. Shapes and
 * dtypes that do not fit are ERR_BEAR_SHAPE and ERR_BEAR_DTYPE.
 *
 * @example
 * using logits = DeviceTensor.fromHost(new Float32Array(rows * vocabSize), [rows, vocabSize]);
 */
export class DeviceTensor<D extends TensorDType = TensorDType> {
  readonly shape: readonly number[];
  readonly dtype: D;
  /** As `cuda:0`. */
  readonly device: `cuda:${number}`;
  /** Number of elements. */
  readonly length: number;
  #storage: NativeStorage | undefined;

  static {
    storageOf = (tensor) => tensor.#storage;
    construct = (storage, description) => new DeviceTensor(storage, description);
  }

  private constructor(storage: NativeStorage, { shape, dtype, length, device }: Description<D>) {
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.device = deviceName(device) as `cuda:${number}`;
    this.length = length;
    this.#storage = storage;
    registerCudaObject(this, 'a DeviceTensor');
  }

  /** A tensor of zeros. */
  static allocate<D extends TensorDType>(
    shape: readonly number[],
    dtype: D,
    device: CudaDeviceName = 'cuda',
  ): DeviceTensor<D> {
    return newTensor(shape, dtype, readDevice(device), undefined, true);
  }

  /**
   * A copy of `data`, which may be changed as soon as this returns. Default shape: `[data.length]`. A `Uint16Array` needs
   * a dtype: `float16` or `bfloat16`.
   */
  static fromHost<A extends HostTensorData, D extends DTypeOf<A> = DTypeOf<A>>(
    data: A,
    shape?: readonly number[],
    dtype?: D,
    device: CudaDeviceName = 'cuda',
  ): DeviceTensor<D> {
    const index = readDevice(device);
    const ownDType = chooseDType(data, dtypesOf(data), dtype, 'dtype') as D;
    assertAttached(data, 'data');
    const description = describeTensor(shape ?? [lengthOf(data)], ownDType, index);
    if (description.length !== lengthOf(data)) {
      const expected = `${description.length} elements for the shape [${description.shape.join(', ')}]`;
      refuse('ERR_BEAR_SHAPE', 'data', expected, data);
    }
    return construct(unwrap(native().device.upload(index, bytesOf(data), undefined), index), description);
  }

  /**
   * Memory that another library allocated and goes on owning: it must outlive every use of the tensor, and what fills it
   * must be done, or be enqueued on the stream that uses it first. `dispose()` forgets the address.
   */
  static fromPointer<D extends TensorDType>(
    pointer: bigint,
    shape: readonly number[],
    dtype: D,
    device: CudaDeviceName = 'cuda',
  ): DeviceTensor<D> {
    const index = readDevice(device);
    const description = describeTensor(shape, dtype, index);
    checkPointer(pointer, ELEMENT_BYTES[dtype]);
    const storage = native().device.adopt(index, pointer, description.length * ELEMENT_BYTES[dtype]);
    return construct(unwrap(storage, index), description);
  }

  /** Bytes of all elements. */
  get byteLength(): number {
    return this.length * ELEMENT_BYTES[this.dtype];
  }

  get disposed(): boolean {
    return this.#storage === undefined;
  }

  /** The address on the device, for other libraries. Theirs to order: see `CudaStream`. */
  get pointer(): bigint {
    return native().device.pointer(openStorage(this, 'tensor'));
  }

  /** A copy in host memory. Waits for the work on this tensor that has been enqueued. */
  toHost(): HostArray<D> {
    const storage = openStorage(this, 'tensor');
    const array = this.#hostArray();
    unwrap(native().device.download(storage, bytesOf(array)), deviceIndex(this.device));
    return array;
  }

  /** {@link toHost} without blocking: what the tensor holds after the work that has been enqueued by now. */
  async toHostAsync(): Promise<HostArray<D>> {
    const storage = openStorage(this, 'tensor');
    const array = this.#hostArray();
    const index = deviceIndex(this.device);
    unwrap(
      await new Promise<NativeDeviceFailure | undefined>((resolve) => {
        const failure = native().device.downloadAsync(storage, bytesOf(array), resolve);
        if (failure !== undefined) resolve(failure);
      }),
      index,
    );
    return array;
  }

  /**
   * Overwrites this tensor with another of the same device, dtype and length. Enqueues the copy, on the device's default
   * stream where none is given, and returns.
   */
  copyFrom(source: DeviceTensor<D>, stream?: CudaStream): void {
    const storage = openStorage(this, 'tensor');
    const index = deviceIndex(this.device);
    const sourceStorage = openOn(source, this.dtype, index, 'source');
    if (source.length !== this.length) {
      fail('ERR_BEAR_SHAPE', 'source', `${this.length} elements`, `a tensor [${source.shape.join(', ')}]`);
    }
    const queue = stream && openStream(stream, 'stream', index);
    unwrap(native().device.copy(storage, sourceStorage, this.byteLength, queue), index);
  }

  /** Gives the memory back. Later uses of the tensor throw ERR_BEAR_DISPOSED; a second `dispose()` does nothing. */
  dispose(): void {
    if (this.#storage === undefined) return;
    native().device.release(this.#storage);
    this.#storage = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #hostArray(): HostArray<D> {
    return allocate<HostArray<TensorDType>>(HOST_ARRAYS[this.dtype], this.length, 'tensor') as HostArray<D>;
  }

  /** Whether the value is a tensor, also where it was disposed. */
  static isDeviceTensor(value: unknown): value is DeviceTensor {
    return typeof value === 'object' && value !== null && #storage in value;
  }
}

/** The addon's handle; throws where the tensor was disposed. */
export function openStorage(tensor: DeviceTensor, argument: string): NativeStorage {
  const storage = storageOf(tensor);
  if (storage !== undefined) return storage;
  fail('ERR_BEAR_DISPOSED', argument, 'a tensor that has its memory', 'one that was disposed');
}

/** The handle of a tensor of this dtype on this device. */
export function openOn(tensor: DeviceTensor, dtype: TensorDType, device: number, argument: string): NativeStorage {
  if (tensor.dtype !== dtype) fail('ERR_BEAR_DTYPE', argument, `a tensor of ${dtype}`, tensor.dtype);
  if (deviceIndex(tensor.device) !== device) {
    const expected = `a tensor on ${deviceName(device)}, where the rest of the call is`;
    fail('ERR_BEAR_DEVICE_MISMATCH', argument, expected, `one on ${tensor.device}`);
  }
  return openStorage(tensor, argument);
}

/** A tensor for results: its content is what the memory held before, unless it is to be zeros. */
export function newTensor<D extends TensorDType>(
  shape: readonly number[],
  dtype: D,
  device: number,
  stream: NativeStream | undefined,
  cleared = false,
): DeviceTensor<D> {
  const description = describeTensor(shape, dtype, device);
  const storage = native().device.allocate(device, description.length * ELEMENT_BYTES[dtype], stream, cleared);
  return construct(unwrap(storage, device), description);
}

function describeTensor<D extends TensorDType>(given: readonly number[], dtype: D, device: number): Description<D> {
  const shape = readShape(given, 'shape', 0);
  const length = shape.reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(length * 4)) {
    fail('ERR_BEAR_SHAPE', 'shape', 'no more elements than can be counted', `[${shape.join(', ')}]`);
  }
  if (!TENSOR_DTYPES.includes(dtype)) refuse('ERR_BEAR_DTYPE', 'dtype', expectedNames(dtype, TENSOR_DTYPES), dtype);
  return { shape, dtype, length, device };
}

/** The dtypes that each kind of array may hold. */
function dtypesOf(data: HostTensorData): readonly TensorDType[] {
  if (isArrayOf(data, 'Int32Array')) return ['int32'];
  if (isArrayOf(data, 'Uint32Array')) return ['uint32'];
  const expected = 'a Float32Array, Uint16Array, Float16Array, Int32Array or Uint32Array';
  return dtypesOfLogits(data, 'data', expected);
}

/** The bytes of an array, as the addon copies them. */
function bytesOf(array: HostTensorData | HostArray<TensorDType>): Uint8Array {
  const { buffer, byteOffset, byteLength } = memoryOf(array);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
