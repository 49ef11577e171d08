import { allocate } from './arrays.js';

/** How a new array is had. */
export type Allocate = <View>(type: ArrayType<View>, length: number, what: string) => View;

interface ArrayType<View> {
  new (length: number): View;
  new (memory: ArrayBufferLike): View;
  readonly BYTES_PER_ELEMENT: number;
}

const LEAST_BYTES = 1 << 16;

/**
 * A new array that holds whatever its memory held, for a call that writes every element before anybody sees it. Clearing
 * 32 MB takes as long as the kernel, and an asynchronous call has no such time on the calling thread. Zeros where the array
 * is small, and where the runtime has no memory of this kind.
 */
export const allocateUncleared: Allocate = (type, length, what) => {
  const bytes = length * type.BYTES_PER_ELEMENT;
  try {
    const { buffer } = bytes < LEAST_BYTES ? new Uint8Array(bytes) : Buffer.allocUnsafeSlow(bytes);
    if (buffer.byteLength === bytes) return new type(buffer);
  } catch {
    // There is no Buffer, or none as large as an array may be.
  }
  return allocate(type, length, what);
};
