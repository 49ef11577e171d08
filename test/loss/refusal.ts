/** What every refusal of a bad argument has in common, checked in one place. */
import { fusedBearLoss, fusedBearLossAsync } from '../../lib/index';
import type { BearErrorCode, BearLossError } from '../../lib/options/errors';

// Bad arguments have bad types, so the calls of these tests are untyped.
export interface AnyCall {
  logits: unknown;
  targets: unknown;
  options?: Record<string, unknown>;
}

export interface Refusal {
  code: BearErrorCode;
  argument: string;
  row?: number;
  /** A part of the message, beside the argument's name. */
  says?: string | RegExp;
}

type Sync = (logits: unknown, targets: unknown, options?: unknown) => unknown;
type Async = (logits: unknown, targets: unknown, options?: unknown) => Promise<unknown>;

export const runSync = fusedBearLoss as unknown as Sync;
export const runAsync = fusedBearLossAsync as unknown as Async;

export function errorOf(run: () => unknown): BearLossError {
  try {
    run();
  } catch (error) {
    return error as BearLossError;
  }
  throw new Error('nothing was thrown');
}

export function expectError(error: BearLossError, kind: typeof TypeError | typeof RangeError, refusal: Refusal): void {
  const { code, argument, row, says } = refusal;
  expect({ code: error.code, argument: error.argument, row: error.row }).toEqual({ code, argument, row });
  expect(error).toBeInstanceOf(kind);
  expect(error.name).toBe(kind.name);
  expect(error.expected).not.toBe('');
  expect(error.message).toContain(argument);
  expect(error.message).toContain(error.expected);
  if (error.received !== undefined) expect(error.message).toContain(error.received);
  if (row !== undefined) expect(error.message).toContain(`row ${row}`);
  if (says !== undefined) expect(error.message).toMatch(says);
}

/**
 * The synchronous call throws and the asynchronous one is rejected, with the same error, and no byte of any buffer that
 * the caller handed over has changed.
 */
export async function expectRefused(
  call: AnyCall,
  kind: typeof TypeError | typeof RangeError,
  refusal: Refusal,
): Promise<void> {
  const before = bytesOfBuffers(call);
  const thrown = errorOf(() => runSync(call.logits, call.targets, call.options));
  expectError(thrown, kind, refusal);
  expect(bytesOfBuffers(call)).toEqual(before);

  // The promise carries the error: the call itself does not throw.
  const promise = runAsync(call.logits, call.targets, call.options);
  const rejected = await promise.then(
    () => {
      throw new Error('the promise was fulfilled');
    },
    (error: BearLossError) => error,
  );
  expect(rejected).toEqual(thrown);
  expect({ ...rejected }).toEqual({ ...thrown });
  expect(bytesOfBuffers(call)).toEqual(before);
}

/** The content of every buffer below a value. */
function bytesOfBuffers(value: unknown): string[] {
  if (ArrayBuffer.isView(value)) return value.byteLength === 0 ? [] : [Buffer.from(value.buffer).toString('hex')];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(bytesOfBuffers);
}

/** Three rows of five logits, a gradient buffer filled with sevens, and a constraint: a call that would succeed. */
export function validCall() {
  return {
    logits: Float32Array.from({ length: 15 }, (_, index) => Math.sin(index)),
    targets: Int32Array.of(1, 4, 2),
    options: { out: { gradLogits: new Float32Array(15).fill(7) } },
  };
}

export function validLists() {
  return { offsets: Int32Array.of(0, 2, 4, 7), tokens: Int32Array.of(0, 1, 3, 4, 0, 2, 4) };
}

export interface ResizableBuffer extends ArrayBuffer {
  resize(byteLength: number): void;
}

export function resizableBuffer(byteLength: number, maxByteLength: number): ResizableBuffer {
  // Node 20 has them; the library types of ES 2023 do not.
  const Type = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ResizableBuffer;
  return new Type(byteLength, { maxByteLength });
}

/** Moves the view's memory elsewhere, as posting it to a worker does: the view is detached. */
export function transfer<View extends ArrayBufferView>(view: View): View {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}

export function sharedFloats(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

export interface WebAssemblyMemory<Memory extends ArrayBufferLike = ArrayBuffer> {
  buffer: Memory;
  grow(pages: number): number;
}

/** Memory of 64 KiB that may grow. The types of WebAssembly come with those of browsers only. */
export function webAssemblyMemory(): WebAssemblyMemory;
export function webAssemblyMemory(shared: true): WebAssemblyMemory<SharedArrayBuffer>;
export function webAssemblyMemory(shared = false): WebAssemblyMemory<ArrayBufferLike> {
  const { Memory } = Reflect.get(globalThis, 'WebAssembly') as {
    Memory: new (pages: { initial: number; maximum: number; shared: boolean }) => WebAssemblyMemory<ArrayBufferLike>;
  };
  return new Memory({ initial: 1, maximum: 3, shared });
}

/** How one shared memory comes to have two objects. */
export const SHARED_TWICE: [string, (bytes: number) => Promise<[SharedArrayBuffer, SharedArrayBuffer]>][] = [
  [
    'one of which came by a message',
    async (bytes) => {
      const shared = new SharedArrayBuffer(bytes);
      const { port1, port2 } = new MessageChannel();
      const message = new Promise<SharedArrayBuffer>((resolve) => port2.on('message', resolve));
      port1.postMessage(shared);
      const twin = await message;
      port2.close();
      return [shared, twin];
    },
  ],
  [
    'of WebAssembly memory before and after it grew',
    async () => {
      const memory = webAssemblyMemory(true);
      const before = memory.buffer;
      memory.grow(1);
      return [before, memory.buffer];
    },
  ],
];
