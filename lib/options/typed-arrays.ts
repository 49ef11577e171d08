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

/** Whether the first elements of two arrays are the same memory, as far as JavaScript can tell; of `b` all by default. */
export function shareMemory(a: TypedArray, elements: number, b: TypedArray, otherElements?: number): boolean {
  if (buffer.call(a) !== buffer.call(b) || elements === 0 || otherElements === 0) return false;
  const start = byteOffset.call(a);
  const otherStart = byteOffset.call(b);
  const otherBytes = otherElements === undefined ? byteLength.call(b) : bytesOf(b, otherElements);
  return start < otherStart + otherBytes && otherStart < start + bytesOf(a, elements);
}

const bytesOf = (array: TypedArray, elements: number) => (byteLength.call(array) / length.call(array)) * elements;

/** An array without any property of its own, over the same memory. */
export function viewOf<View>(
  type: new (memory: ArrayBufferLike, byteOffset: number, length: number) => View,
  array: TypedArray,
): View {
  return new type(buffer.call(array), byteOffset.call(array), length.call(array));
}
