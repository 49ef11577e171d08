// Memory that an asynchronous call uses where it lies. What happens to it meanwhile is looked at in
// test/standalone/taken-memory.test.ts, under other runtimes and sanitizers too.

import * as workerThreads from 'node:worker_threads';
import { fusedBearLoss, fusedBearLossAsync } from '../../lib/index';
import { BufferPins, type Runtime } from '../../lib/loss/borrowing';
import { isWasm } from '../support/backend-under-test';
import { SeededRandom } from '../support/random';
import { resizableBuffer, sharedFloats, transfer, validCall, validLists, webAssemblyMemory } from './refusal';

const ROWS = 64;
const VOCAB = 50000;
const random = new SeededRandom(11);
const values = random.normals(ROWS * VOCAB, 3);
const targets = random.integers(ROWS, VOCAB);
const slow = { vocabSize: VOCAB, beamWidth: VOCAB / 2, softcap: 30, threads: 1 };

function share(array: Float32Array): Float32Array<SharedArrayBuffer> {
  const shared = sharedFloats(array.length);
  shared.set(array);
  return shared;
}

/** Turns of the event loop until `isSo`. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}

describe('an asynchronous call of shared memory', () => {
  it.each([
    ['out of place', {}],
    ['no gradient', { gradient: false, rows: true }],
    ['lists', { allowed: validLists(), rows: true }],
    ['in place', { gradient: 'in-place', reduction: 'none' }],
    ['in place and sparse', { gradient: 'in-place-sparse', allowed: validLists() }],
    ['the weighted mean', { reduction: 'weighted-mean', penalty: 'reweight' }],
  ] as const)('equals the synchronous one bit for bit: %s', async (_, options) => {
    const { logits, targets } = validCall();
    const expected = fusedBearLoss(logits.slice(), targets, options as object);
    expect(await fusedBearLossAsync(share(logits), targets, options as object)).toEqual(expected);
    expect(await fusedBearLossAsync(logits, targets, { ...options, borrow: true } as object)).toEqual(expected);
  });

  it.each([
    ['logits and out', share, share],
    ['logits alone', share, (array: Float32Array) => array],
    ['out alone', (array: Float32Array) => array.slice(), share],
  ])('of %s keeps the strides, and what lies between the rows', async (_, logitsMemory, outMemory) => {
    const strided = Float32Array.from({ length: 19 }, (_, index) => Math.cos(index));
    const make = () => new Float32Array(25).fill(7);
    const options = { vocabSize: 5, rowStride: 7 };
    const [expected, gradLogits] = [make(), outMemory(make())];
    fusedBearLoss(strided, [1, 4, 2], { ...options, out: { gradLogits: expected, rowStride: 9 } });
    await fusedBearLossAsync(logitsMemory(strided), [1, 4, 2], { ...options, out: { gradLogits, rowStride: 9 } });
    expect([...gradLogits]).toEqual([...expected]);
  });

  // The module copies what it is lent.
  const whereLent = isWasm ? it.skip : it;
  whereLent('writes its gradient before the promise is fulfilled', async () => {
    const gradLogits = sharedFloats(ROWS * VOCAB).fill(7);
    let isDone = false;
    const call = fusedBearLossAsync(values, targets, { ...slow, out: { gradLogits } }).then(() => {
      isDone = true;
    });
    await until(() => gradLogits[0] !== 7);
    expect(isDone).toBe(false);
    await call;
  });

  whereLent.each(['out', 'in-place'] as const)(
    'settles at an abort when the kernel has let go, and not before: %s',
    async (how) => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const memory = share(values);
      const gradient = how === 'out' ? { out: { gradLogits: memory } } : { gradient: 'in-place' as const };
      const logits = how === 'out' ? values : memory;
      const call = fusedBearLossAsync(logits, targets, { ...slow, ...gradient, signal: controller.signal });
      await until(() => memory[0] !== values[0]);
      controller.abort(reason);
      await expect(call).rejects.toBe(reason);
      memory.fill(7);
      // Longer than what the kernel would have left to do.
      await fusedBearLossAsync(values, targets, { ...slow, gradient: false });
      expect(memory.every((value) => value === 7)).toBe(true);
    },
  );

  it('that waits for its turn settles at once at an abort, and never begins', async () => {
    const controller = new AbortController();
    const memory = sharedFloats(ROWS * VOCAB).fill(7);
    // Borrowed: copies would take as long as the others do.
    const lent = share(values);
    let othersDone = 0;
    const others = Array.from({ length: 4 }, () =>
      fusedBearLossAsync(lent, targets, { ...slow, gradient: false }).then(() => ++othersDone),
    );
    const { signal } = controller;
    const call = fusedBearLossAsync(lent, targets, { vocabSize: VOCAB, out: { gradLogits: memory }, signal });
    controller.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    expect(othersDone).toBeLessThan(others.length); // its turn comes when all are done
    await Promise.all(others);
    await fusedBearLossAsync(values, targets, { vocabSize: VOCAB, gradient: false });
    expect(memory.every((value) => value === 7)).toBe(true);
  });
});

describe('a new gradient', () => {
  it('is written where it lies, in memory that nobody cleared, and has no element that was not written', async () => {
    const allowed = { offsets: new Int32Array(ROWS + 1), tokens: new Int32Array(0) };
    const ignored = new Int32Array(ROWS).fill(-100);
    // What is freed is likely to be what comes next.
    for (let turn = 0; turn < 5; turn++) {
      new Float32Array(Buffer.allocUnsafeSlow(4 * ROWS * VOCAB).buffer).fill(7);
      const { gradLogits } = await fusedBearLossAsync(values, ignored, { vocabSize: VOCAB, allowed });
      expect(gradLogits?.every((value) => value === 0)).toBe(true);
    }
  });

  it('has zeros between rows that are apart', async () => {
    const rowStride = VOCAB + 3;
    for (let turn = 0; turn < 5; turn++) {
      new Float32Array(Buffer.allocUnsafeSlow(4 * ROWS * rowStride).buffer).fill(7);
      const { gradLogits } = await fusedBearLossAsync(values, targets, { vocabSize: VOCAB, out: { rowStride } });
      const between = gradLogits?.filter((_, index) => index % rowStride >= VOCAB);
      expect(between?.every((value) => value === 0)).toBe(true);
    }
  });
});

describe('borrow: true', () => {
  it('copies resizable and WebAssembly memory, which may go, or grow, meanwhile', async () => {
    const { logits, targets } = validCall();
    const expected = fusedBearLoss(logits, targets);
    const resizable = resizableBuffer(60, 120);
    const memory = webAssemblyMemory();
    for (const buffer of [resizable, memory.buffer]) new Float32Array(buffer, 0, 15).set(logits);
    const calls = [resizable, memory.buffer].map((buffer) =>
      fusedBearLossAsync(new Float32Array(buffer, 0, 15), targets, { borrow: true }),
    );
    resizable.resize(0);
    memory.grow(1);
    expect(await Promise.all(calls)).toEqual([expected, expected]);
  });

  it('copies index arrays and weights whatever their memory is', async () => {
    const { logits, targets } = validCall();
    const allowed = validLists();
    const tokenWeights = share(Float32Array.of(1, 2, 3));
    const expected = fusedBearLoss(logits, targets, { allowed, tokenWeights });
    const promise = fusedBearLossAsync(logits, targets, { borrow: true, allowed, tokenWeights });
    targets.fill(99);
    allowed.tokens.fill(-1);
    tokenWeights.fill(5);
    for (const view of [targets, allowed.offsets, allowed.tokens]) transfer(view);
    expect(await promise).toEqual(expected);
  });

  it.each(['yes', 1, null])('is refused where it is %p', async (borrow) => {
    const { logits, targets } = validCall();
    const call = fusedBearLossAsync(logits, targets, { borrow } as object);
    await expect(call).rejects.toMatchObject({ code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'borrow' });
  });
});

// Runtimes as they are, made of what this one has: a buffer that cannot be detached, and one that can.
/** Whether transfer() of this runtime leaves a marked buffer alone: Node from 24 on and Deno, not Bun. */
function marksHold(): boolean {
  const buffer = new ArrayBuffer(8);
  workerThreads.markAsUntransferable(buffer);
  try {
    (buffer as unknown as { transfer(): void }).transfer();
  } catch {
    // refused, or before Node 21
  }
  return buffer.byteLength === 8 && 'transfer' in buffer;
}

describe('a buffer that shall stay', () => {
  const detach = (buffer: ArrayBuffer) => structuredClone(0 as unknown, { transfer: [buffer] });
  const MOST_BYTES = 2 ** 30;

  interface Rules {
    /** Which ways of detaching a mark stops. */
    stops: readonly ('transfer' | 'structuredClone')[];
    /** Whether structuredClone() detaches before it reads the value. */
    detachesFirst?: boolean;
    transfer?: boolean;
  }

  function runtimeOf({ stops, detachesFirst = false, transfer = true }: Rules) {
    const marked = new WeakSet<ArrayBuffer>();
    const wasm = (buffer: ArrayBuffer) => buffer.byteLength % 65536 === 0;
    const assertDetachable = (buffer: ArrayBuffer, way: 'transfer' | 'structuredClone') => {
      if (wasm(buffer) || (marked.has(buffer) && stops.includes(way))) throw new TypeError('not detachable');
    };
    const marks: ArrayBuffer[] = [];
    const runtime: Runtime = {
      transfer: transfer
        ? function (this: ArrayBuffer, byteLength = this.byteLength) {
            assertDetachable(this, 'transfer');
            if (byteLength > MOST_BYTES) throw new RangeError('too large');
            detach(this);
            return new ArrayBuffer(byteLength);
          }
        : undefined,
      structuredClone(value, { transfer: [buffer] }) {
        assertDetachable(buffer as ArrayBuffer, 'structuredClone');
        if (detachesFirst) detach(buffer as ArrayBuffer);
        structuredClone(value);
        if (!detachesFirst) detach(buffer as ArrayBuffer);
      },
      markAsUntransferable(buffer) {
        marked.add(buffer);
        marks.push(buffer);
      },
    };
    return { pins: new BufferPins(runtime), runtime, marks };
  }

  const BOTH = ['transfer', 'structuredClone'] as const;

  it.each([
    ['as on Node 24 and 26', { stops: BOTH }],
    ['as on Deno, whose structuredClone() detaches first', { stops: BOTH, detachesFirst: true }],
  ])('is marked once, and stays, where marks hold: %s', (_, rules) => {
    const { pins, runtime, marks } = runtimeOf(rules);
    const buffer = new ArrayBuffer(8);
    expect([pins.pin(buffer), pins.pin(buffer)]).toEqual([true, true]);
    expect(marks.filter((marked) => marked === buffer)).toHaveLength(1);
    expect(() => runtime.transfer?.call(buffer)).toThrow('not detachable');
    expect(buffer.byteLength).toBe(8);
  });

  it.each([
    ['as on Node 20, which has no transfer()', { stops: ['structuredClone'], transfer: false }],
    ['as on Node 22 and Bun, where they do not stop transfer()', { stops: ['structuredClone'] }],
    ['where they do not stop structuredClone()', { stops: ['transfer'] }],
    ['where they stop nothing', { stops: [] }],
  ] as [string, Rules][])('is left alone where marks do not hold: %s', (_, rules) => {
    const { pins, marks } = runtimeOf(rules);
    const buffer = new ArrayBuffer(8);
    expect(pins.pin(buffer)).toBe(false);
    expect(marks).not.toContain(buffer);
    expect(buffer.byteLength).toBe(8);
  });

  it('is none that cannot be detached to begin with: a mark on WebAssembly memory ends the process when it grows', () => {
    const { pins, marks } = runtimeOf({ stops: BOTH });
    const memory = webAssemblyMemory().buffer;
    expect(pins.pin(memory)).toBe(false);
    expect(marks).not.toContain(memory);
  });

  it('is left alone where nothing can be tried out', () => {
    const { runtime } = runtimeOf({ stops: BOTH });
    const pins = new BufferPins({
      ...runtime,
      markAsUntransferable: () => {
        throw new RangeError('no memory');
      },
    });
    expect(pins.pin(new ArrayBuffer(8))).toBe(false);
  });

  it('is none that is resizable', () => {
    const { pins, marks } = runtimeOf({ stops: BOTH });
    const buffer = resizableBuffer(8, 16);
    expect(pins.pin(buffer)).toBe(false);
    expect(marks).not.toContain(buffer);
  });

  it('is marked on this runtime if and only if its transfer() respects the mark', async () => {
    const { logits, targets } = validCall();
    await fusedBearLossAsync(logits, targets, { borrow: true });
    const isMarked: (buffer: ArrayBufferLike) => boolean =
      Reflect.get(workerThreads, 'isMarkedAsUntransferable') ?? (() => false); // Node 20 has none
    expect(isMarked(logits.buffer)).toBe(marksHold());
  });
});
