// Typed arrays as they come from callers: of any realm, of any buffer, perhaps no longer there.
import { bearError, describe } from './errors.js';
import { lengthOf, type MemoryRange, memoryOf, overlap, typedArrayName } from './typed-arrays.js';

interface ArrayTypes {
  Float32Array: Float32Array;
  Uint16Array: Uint16Array;
  Uint8Array: Uint8Array;
  Int32Array: Int32Array;
  Uint32Array: Uint32Array;
  BigInt64Array: BigInt64Array;
}

export function isArrayOf<Name extends keyof ArrayTypes>(value: unknown, name: Name): value is ArrayTypes[Name] {
  return typedArrayName(value) === name;
}

/** Throws where the view's buffer was transferred or detached, or shrank below the view's end. */
export function assertAttached(view: ArrayBufferView & { readonly length: number }, argument: string): void {
  // Either leaves a view of length 0, and so does no mistake at all: only a method of the array can tell.
  if (lengthOf(view) !== 0) return;
  try {
    Uint8Array.prototype.keys.call(view as Uint8Array);
  } catch {
    throw bearError('ERR_BEAR_BUFFER_DETACHED', {
      argument,
      expected: 'a view of memory that is there',
      received: 'a view whose buffer was transferred, detached or made smaller',
    });
  }
}

/** Throws unless the view is attached and of the length. */
export function assertLength(
  view: Float32Array | Int32Array | Uint32Array,
  length: number,
  what: string,
  argument: string,
) {
  assertAttached(view, argument);
  if (lengthOf(view) === length) return;
  throw bearError('ERR_BEAR_SHAPE', { argument, expected: `${what} = ${length} elements`, received: describe(view) });
}

const INDEX_ARRAYS = { Int32Array, Uint32Array };

/**
 * A copy of integers that the kernel uses as indices, once they are checked: nobody else may write to them, whatever
 * their buffer is.
 */
export function copyIndices<View extends Int32Array | Uint32Array>(view: View, argument: string): View {
  assertAttached(view, argument);
  const type = INDEX_ARRAYS[typedArrayName(view) as keyof typeof INDEX_ARRAYS];
  try {
    // Asks for nothing that the caller could have changed: neither length nor iterator nor species.
    return new (type as unknown as new (source: View) => View)(view);
  } catch {
    throw bearError('ERR_BEAR_OUT_OF_MEMORY', { argument, expected: 'memory to copy the indices to' });
  }
}

/** Throws where an output shares memory with an index array. The addon sees a copy of that one, and cannot tell. */
export function assertApart(
  output: MemoryRange,
  outputArgument: string,
  indices: Int32Array | BigInt64Array | Uint32Array | undefined,
  argument: string,
): void {
  if (indices === undefined || !overlap(output, memoryOf(indices))) return;
  throw bearError('ERR_BEAR_OUT_OVERLAP', {
    argument: outputArgument,
    expected: 'memory that no input shares, or exactly that of the logits',
    received: `memory that overlaps ${argument}`,
  });
}

/** A new array of zeros. */
export function allocate<View>(type: new (length: number) => View, length: number, what: string): View {
  try {
    return new type(length);
  } catch {
    throw bearError('ERR_BEAR_OUT_OF_MEMORY', { argument: what, expected: `room for ${length} elements` });
  }
}
