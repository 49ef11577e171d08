// Typed arrays as they come from callers: of any realm, of any buffer, perhaps no longer there.
import { fail, refuse } from '../options/errors.js';
import { lengthOf, shareMemory, typedArrayName } from '../options/typed-arrays.js';

/** Throws where the view's buffer was transferred or detached, or shrank below the view's end. */
export function assertAttached(view: ArrayBufferView & { readonly length: number }, argument: string): void {
  // Either leaves a view of length 0, and so does no mistake at all: only a method of the array can tell.
  if (lengthOf(view) !== 0) return;
  try {
    Uint8Array.prototype.keys.call(view as Uint8Array);
  } catch {
    const received = 'a view whose buffer was transferred, detached or made smaller';
    fail('ERR_BEAR_BUFFER_DETACHED', argument, 'a view of memory that is there', received);
  }
}

/** Throws unless the view is attached and of the length. */
export function assertLength(
  view: Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array,
  length: number,
  what: string,
  argument: string,
) {
  assertAttached(view, argument);
  if (lengthOf(view) === length) return;
  refuse('ERR_BEAR_SHAPE', argument, `${what} = ${length} elements`, view);
}

const INDEX_ARRAYS = { Int32Array, Uint32Array };

/**
 * A copy of integers that the kernel uses as indices, once they are checked: nobody else may write to them, whatever
 * their buffer is.
 */
export function copyIndices<View extends Int32Array | Uint32Array>(view: View, argument: string): View {
  assertAttached(view, argument);
  const type = INDEX_ARRAYS[typedArrayName(view) as keyof typeof INDEX_ARRAYS];
  const length = lengthOf(view);
  if (length <= MOST_POOLED) return copyToPool(view, type as unknown as IndexArrayType<View>, length);
  try {
    // Asks for nothing that the caller could have changed: neither length nor iterator nor species.
    return new (type as unknown as new (source: View) => View)(view);
  } catch {
    fail('ERR_BEAR_OUT_OF_MEMORY', argument, 'memory to copy the indices to');
  }
}

type IndexArrayType<View> = new (memory: ArrayBuffer, byteOffset: number, length: number) => View;

const MOST_POOLED = 256;
const POOL_BYTES = 8192;

let pool = new ArrayBuffer(POOL_BYTES);
let poolUsed = 0;

// A small array of its own has no memory that the addon can see before it asks, which took longer than the copy: 0.2 of
// the 1.7 us of a small call. Memory of the pool is given out once.
function copyToPool<View extends Int32Array | Uint32Array>(
  view: View,
  type: IndexArrayType<View>,
  length: number,
): View {
  const bytes = length * Int32Array.BYTES_PER_ELEMENT;
  if (poolUsed + bytes > POOL_BYTES) {
    pool = new ArrayBuffer(POOL_BYTES);
    poolUsed = 0;
  }
  const copy = new type(pool, poolUsed, length);
  poolUsed += bytes;
  for (let index = 0; index < length; index++) copy[index] = view[index] as number;
  return copy;
}

/** Throws where the start of an output is memory of an index array. The addon sees a copy of that one, and cannot tell. */
export function assertApart(
  output: ArrayBufferView & { readonly length: number },
  elements: number,
  outputArgument: string,
  indices: Int32Array | BigInt64Array | Uint32Array | undefined,
  argument: string,
): void {
  if (indices === undefined || !shareMemory(output, elements, indices)) return;
  fail('ERR_BEAR_OUT_OVERLAP', outputArgument, APART, `memory that overlaps ${argument}`);
}

export const APART = 'memory that no input shares, or exactly that of the logits';

/** A new array of zeros. */
export function allocate<View>(type: new (length: number) => View, length: number, what: string): View {
  try {
    return new type(length);
  } catch {
    fail('ERR_BEAR_OUT_OF_MEMORY', what, `room for ${length} elements`);
  }
}
