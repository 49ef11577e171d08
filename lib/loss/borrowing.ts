// Which memory an asynchronous call may use where it lies. Node-API keeps objects alive, not their memory: transferring an
// ArrayBuffer frees its memory under a running kernel. Memory that cannot be taken away is borrowed, all else is copied.
import { nodeModule } from '../options/node-module.js';
import { memoryOf } from '../options/typed-arrays.js';

const { types } = nodeModule('node:util');
const { markAsUntransferable } = nodeModule('node:worker_threads');

/** What a runtime has for buffers that shall stay. */
export interface Runtime {
  /** ArrayBuffer.prototype.transfer; undefined before Node 21. */
  transfer: ((this: ArrayBuffer, byteLength?: number) => ArrayBuffer) | undefined;
  structuredClone(value: unknown, options: { transfer: ArrayBuffer[] }): unknown;
  markAsUntransferable(buffer: ArrayBuffer): void;
}

/** Whether the buffer can be detached, found without doing it. */
type DetachableTest = (buffer: ArrayBuffer) => boolean;

/** The buffers of a runtime that can be made to stay where they are. */
export class BufferPins {
  readonly #pinned = new WeakSet<ArrayBuffer>();
  readonly #runtime: Runtime;
  /** Null where the runtime's marks do not hold. */
  #isDetachable: DetachableTest | null | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Whether nobody can take the buffer's memory away from now on. Marks it for good where that helps; leaves alone what is
   * resizable, WebAssembly memory, or marked by others.
   */
  pin(buffer: ArrayBuffer): boolean {
    if (this.#pinned.has(buffer)) return true;
    if (this.#isDetachable === undefined) this.#isDetachable = findTest(this.#runtime);
    // A mark on WebAssembly memory would end the process when the memory grows.
    if (this.#isDetachable === null || isResizable.call(buffer) || !this.#isDetachable(buffer)) return false;
    this.#runtime.markAsUntransferable(buffer);
    this.#pinned.add(buffer);
    return true;
  }
}

/**
 * The test to use, or null where a mark does not keep the memory in place: on Node 22 and Bun it stops structuredClone() but
 * not transfer(), and Node 20 detaches marked buffers that byte streams get.
 */
function findTest(runtime: Runtime): DetachableTest | null {
  const { transfer } = runtime;
  if (transfer === undefined) return null;
  try {
    const isDetachable = testsOf(runtime, transfer).find((test) => isTrue(test, runtime));
    const buffer = new ArrayBuffer(8);
    runtime.markAsUntransferable(buffer);
    attempt(() => transfer.call(buffer));
    attempt(() => runtime.structuredClone(buffer, { transfer: [buffer] }));
    return isDetachable !== undefined && buffer.byteLength === 8 ? isDetachable : null;
  } catch {
    return null; // no memory for what is tried out
  }
}

function testsOf(runtime: Runtime, transfer: NonNullable<Runtime['transfer']>): DetachableTest[] {
  return [
    // What is to be transferred is checked first, then the value is read, and then it is transferred.
    (buffer) => {
      let isRead = false;
      const value = {
        get member() {
          isRead = true;
          throw new Error('enough');
        },
      };
      attempt(() => runtime.structuredClone(value, { transfer: [buffer] }));
      return isRead;
    },
    // For Deno, which transfers before it reads. No memory has this size, but V8 collects garbage before it gives up.
    (buffer) => attempt(() => transfer.call(buffer, Number.MAX_SAFE_INTEGER)) === 'RangeError',
  ];
}

/** Whether the test tells apart what can be detached from what cannot, and leaves both as they are. */
function isTrue(test: DetachableTest, runtime: Runtime): boolean {
  const buffer = new ArrayBuffer(8);
  if (!test(buffer) || buffer.byteLength !== 8) return false;
  runtime.markAsUntransferable(buffer);
  return !test(buffer) && (WebAssembly === undefined || !test(new WebAssembly.Memory({ initial: 0 }).buffer));
}

// Its types come with those of browsers only.
const { WebAssembly } = globalThis as {
  WebAssembly?: { Memory: new (size: { initial: number }) => { buffer: ArrayBuffer } };
};

/** The name of the error that came. */
function attempt(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as Error).name;
  }
}

// Of the language's, as an own property of the buffer proves nothing. Every runtime whose marks hold has it.
const isResizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'resizable')?.get as (
  this: ArrayBuffer,
) => boolean;

const pins = new BufferPins({
  transfer: (ArrayBuffer.prototype as unknown as Runtime).transfer,
  structuredClone,
  markAsUntransferable,
});

/**
 * Whether an asynchronous call may use the array where it lies, as its memory cannot be taken away. `borrow`: also memory
 * that has to be kept from being taken away, for good.
 */
export function staysInPlace(array: Float32Array | Uint16Array, borrow: boolean): boolean {
  const { buffer } = memoryOf(array);
  return types.isSharedArrayBuffer(buffer) || (borrow && pins.pin(buffer as ArrayBuffer));
}
