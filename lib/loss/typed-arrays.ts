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

/** The number of elements; 0 where the buffer is not there any more. */
export function lengthOf(array: TypedArray): number {
  return length.call(array);
}

export interface MemoryRange {
  buffer: ArrayBufferLike;
  byteOffset: number;
  byteLength: number;
}

/** Where the elements lie. */
export function memoryOf(array: TypedArray): MemoryRange {
  return { buffer: buffer.call(array), byteOffset: byteOffset.call(array), byteLength: byteLength.call(array) };
}

export function overlap(a: MemoryRange, b: MemoryRange): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteLength > 0 &&
    b.byteLength > 0 &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}

/** An array without any property of its own, over the same memory. */
export function viewOf<View>(
  type: new (memory: ArrayBufferLike, byteOffset: number, length: number) => View,
  array: TypedArray,
): View {
  return new type(buffer.call(array), byteOffset.call(array), length.call(array));
}
