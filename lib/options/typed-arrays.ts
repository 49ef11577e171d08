// What a typed array is, by the language's own accessors. An own property, a subclass, another prototype or another realm
// does not count: `node:vm` and test runners hand over arrays that `instanceof` does not know, and the addon sees what is
// really there.

/** Any typed array; those of float16 and of big integers too. */
type TypedArray = Pick<Float32Array, 'buffer' | 'byteLength' | 'byteOffset' | 'length'>;

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;

function accessor<Result>(name: string | symbol): () => Result {
  return Object.getOwnPropertyDescriptor(typedArrayPrototype, name)?.get as () => Result;
}

const tag = accessor<string | undefined>(Symbol.toStringTag);
const length = accessor<number>('length');
const byteLength = accessor<number>('byteLength');
const byteOffset = accessor<number>('byteOffset');
const buffer = accessor<ArrayBufferLike>('buffer');

/** `Float32Array`, `Uint8Array` and so on, or undefined for what is no typed array. A Proxy of a typed array is none. */
export function typedArrayName(value: unknown): string | undefined {
  return tag.call(value);
}

interface ArrayTypes {
  Float32Array: Float32Array;
  Float64Array: Float64Array;
  Uint16Array: Uint16Array;
  Uint8Array: Uint8Array;
  Int32Array: Int32Array;
  Uint32Array: Uint32Array;
  BigInt64Array: BigInt64Array;
}

export function isArrayOf<Name extends keyof ArrayTypes>(value: unknown, name: Name): value is ArrayTypes[Name] {
  return typedArrayName(value) === name;
}

/** The number of elements; 0 where the buffer is not there any more. */
export function lengthOf(array: TypedArray): number {
  return length.call(array);
}

/** Where the elements lie. */
export function memoryOf(array: TypedArray): { buffer: ArrayBufferLike; byteOffset: number; byteLength: number } {
  return { buffer: buffer.call(array), byteOffset: byteOffset.call(array), byteLength: byteLength.call(array) };
}

/**
 * Whether the first elements of an array that is to be written are memory of the first elements of another; of that one all
 * by default.
 */
export function shareMemory(
  output: TypedArray,
  elements: number,
  other: TypedArray,
  otherElements = length.call(other),
): boolean {
  if (elements === 0 || otherElements === 0) return false;
  const start = byteOffset.call(output);
  const otherStart = byteOffset.call(other);
  const common = Math.max(start, otherStart);
  const end = Math.min(start + bytesOf(output, elements), otherStart + bytesOf(other, otherElements));
  return common < end && areSameMemory(buffer.call(output), buffer.call(other), common);
}

/**
 * Two SharedArrayBuffers can be one memory: a message brings a second, and so does WebAssembly memory that grows. They begin
 * at the same place. Only what happens to their bytes tells: those of `written` are flipped and flipped back.
 */
function areSameMemory(written: ArrayBufferLike, other: ArrayBufferLike, byte: number): boolean {
  if (written === other) return true;
  if (!isShared(written) || !isShared(other)) return false;
  const here = new Uint8Array(written, byte, 1);
  const there = new Uint8Array(other, byte, 1);
  const before = Atomics.load(there, 0);
  if (Atomics.load(here, 0) !== before) return false;
  Atomics.xor(here, 0, 0xff);
  const after = Atomics.load(there, 0);
  Atomics.xor(here, 0, 0xff);
  return after === (before ^ 0xff);
}

// Not by the name SharedArrayBuffer, which pages may lack whose WebAssembly memory is shared all the same.
function isShared(buffer: ArrayBufferLike): boolean {
  try {
    bufferLength.call(buffer);
    return false;
  } catch {
    return true;
  }
}
const bufferLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get as () => number;

const bytesOf = (array: TypedArray, elements: number) => (byteLength.call(array) / length.call(array)) * elements;

/** An array without any property of its own, over the same memory. */
export function viewOf<View>(
  type: new (memory: ArrayBufferLike, byteOffset: number, length: number) => View,
  array: TypedArray,
): View {
  return new type(buffer.call(array), byteOffset.call(array), length.call(array));
}
