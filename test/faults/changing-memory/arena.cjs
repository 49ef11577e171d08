// Shared memory for the arguments of a call, and the worker that never stops writing to it.
const { once } = require('node:events');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');

const ALIGNMENT = 8;

class Arena {
  constructor(bytes) {
    this.buffer = new SharedArrayBuffer(bytes);
    /** [0]: bytes in use, which the worker writes to. */
    this.control = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    this.used = 0;
  }

  /** A copy of the array in shared memory; the array itself where there is no room left. */
  share(array) {
    if (this.used + array.byteLength > this.buffer.byteLength) return array;
    const copy = new array.constructor(this.buffer, this.used, array.length);
    copy.set(array);
    this.used += Math.ceil(array.byteLength / ALIGNMENT) * ALIGNMENT;
    Atomics.store(this.control, 0, this.used);
    return copy;
  }

  /** Forgets what was shared beyond the first `used` bytes. */
  release(used) {
    this.used = used;
    Atomics.store(this.control, 0, used);
  }

  /** Starts the worker; returns a function that ends it. */
  async scribble() {
    const workerData = { buffer: this.buffer, control: this.control };
    const worker = new Worker(join(__dirname, 'scribbler.cjs'), { workerData });
    await once(worker, 'message');
    return () => worker.terminate();
  }
}

/** The value with `share(array)` in place of every typed array below it, also in what its functions return. */
function withSharedArrays(value, share) {
  if (ArrayBuffer.isView(value)) return share(value);
  if (typeof value === 'function') return (...args) => withSharedArrays(value(...args), share);
  if (Array.isArray(value)) return value.map((element) => withSharedArrays(element, share));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withSharedArrays(member, share)]));
}

module.exports = { Arena, withSharedArrays };
