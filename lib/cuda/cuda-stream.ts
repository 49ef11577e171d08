/// <reference lib="esnext.disposable" preserve="true" />
import { unwrap } from '../loss/device-errors.js';
import { native } from '../native/backend.js';
import type { NativeStream } from '../native/binding.js';
import { registerCudaObject } from '../options/describe.js';
import { type CudaDeviceName, checkPointer, deviceIndex, deviceName, readDevice } from '../options/device-names.js';
import { fail } from '../options/errors.js';

let handleOf: (stream: CudaStream) => NativeStream | undefined;

/**
 * A queue of work on a CUDA device. Calls on one stream run in order; without the option `stream` they go to the
 * device's default stream. A tensor that is used on two streams is waited for by itself: work on the second comes after
 * what was enqueued for it on the first. Only what other libraries enqueue has to be ordered by hand.
 *
 * Methods throw ERR_BEAR_DISPOSED after `dispose()`, and a code of ERR_BEAR_CUDA_ for what the device reports.
 *
 * @example
 * using stream = CudaStream.create();
 * using result = fusedBearLoss(logits, targets, { stream });
 */
export class CudaStream {
  /** As `cuda:0`. */
  readonly device: `cuda:${number}`;
  #handle: NativeStream | undefined;

  static {
    handleOf = (stream) => stream.#handle;
  }

  private constructor(handle: NativeStream, device: number) {
    this.device = deviceName(device) as `cuda:${number}`;
    this.#handle = handle;
    registerCudaObject(this, 'a CudaStream');
  }

  /** A new stream, which does not wait for the default one. */
  static create(device: CudaDeviceName = 'cuda'): CudaStream {
    const index = readDevice(device);
    return new CudaStream(unwrap(native().device.createStream(index), index), index);
  }

  /** A `cudaStream_t` of another library, which goes on owning it. */
  static fromPointer(pointer: bigint, device: CudaDeviceName = 'cuda'): CudaStream {
    const index = readDevice(device);
    checkPointer(pointer, 1);
    return new CudaStream(unwrap(native().device.adoptStream(index, pointer), index), index);
  }

  get disposed(): boolean {
    return this.#handle === undefined;
  }

  /** Blocks until everything that was enqueued is done. Throws what the device reports of it. */
  synchronize(): void {
    unwrap(native().device.synchronizeStream(openStream(this, 'stream')), deviceIndex(this.device));
  }

  /** Gives the stream back; its work still runs to its end. */
  dispose(): void {
    if (this.#handle === undefined) return;
    native().device.release(this.#handle);
    this.#handle = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  static isCudaStream(value: unknown): value is CudaStream {
    return typeof value === 'object' && value !== null && #handle in value;
  }
}

/** The addon's handle; throws where the stream was disposed or is not of the device, which is that of the logits. */
export function openStream(stream: CudaStream, argument: string, device = deviceIndex(stream.device)): NativeStream {
  if (deviceIndex(stream.device) !== device) {
    const expected = `a stream of ${deviceName(device)}, where the tensors are`;
    fail('ERR_BEAR_DEVICE_MISMATCH', argument, expected, `one of ${stream.device}`);
  }
  const handle = handleOf(stream);
  if (handle !== undefined) return handle;
  fail('ERR_BEAR_DISPOSED', argument, 'a stream', 'one that was disposed');
}
