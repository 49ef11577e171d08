// Typed arrays as they come from callers: of any realm, of any buffer, perhaps no longer there.
import { types } from 'node:util';
import { bearError, describe, typedArrayName } from './errors.js';

interface ArrayTypes {
  Float32Array: Float32Array;
  Uint16Array: Uint16Array;
  Int32Array: Int32Array;
  Uint32Array: Uint32Array;
  BigInt64Array: BigInt64Array;
}

export function isArrayOf<Name extends keyof ArrayTypes>(value: unknown, name: Name): value is ArrayTypes[Name] {
  return typedArrayName(value) === name;
}

/** Throws where the view's buffer was transferred or detached, or shrank below the view's end. */
export function assertAttached(view: ArrayBufferView, argument: string): void {
  // Either leaves a view of length 0, and so does no mistake at all: only a method of the array can tell.
  if (view.byteLength !== 0) return;
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
  if (view.length === length) return;
  throw bearError('ERR_BEAR_SHAPE', { argument, expected: `${what} = ${length} elements`, received: describe(view) });
}

const ROW_ARRAYS = { Float32Array, Int32Array, Uint32Array };

/**
 * The view itself, or a copy where another thread could write to it: after the check of targets and allowed ids nobody
 * may change them, as the kernel uses them as indices.
 */
export function withoutSharing<View extends Float32Array | Int32Array | Uint32Array>(view: View): View {
  const { buffer } = view;
  // The second question goes to Node's native code, which takes longer than all other checks of a call; only a buffer
  // that is shared, or of another realm, has to be asked.
  if (buffer instanceof ArrayBuffer || !types.isSharedArrayBuffer(buffer)) return view;
  const type = ROW_ARRAYS[typedArrayName(view) as keyof typeof ROW_ARRAYS];
  return new (type as unknown as new (source: View) => View)(view);
}

/** A new array of zeros. */
export function allocate<View>(type: new (length: number) => View, length: number, what: string): View {
  try {
    return new type(length);
  } catch {
    throw bearError('ERR_BEAR_OUT_OF_MEMORY', { argument: what, expected: `room for ${length} elements` });
  }
}
