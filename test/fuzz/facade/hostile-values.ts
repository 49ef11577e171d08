// Values that no caller should give, and what can be done to those that one should. All choices come from a seeded
// generator, so that a case is its numbers.

import { types } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import { OPTIONS } from '../../../lib/options/option-table.js';
import { SeededRandom } from '../../support/random.js';

/** Chooses, and keeps what the property needs to know of what was made. */
export class Hostility {
  /** Whatever getters, traps, steps and signals of the case may throw, or give as a reason. */
  readonly thrown: unknown[] = [];
  /** What was done, for the report. */
  readonly log: string[] = [];
  /** Buffers that the case may detach or resize itself. */
  readonly buffers: ArrayBufferLike[] = [];
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random.uniform() * limit);
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)] as Value;
  }

  /** Something to throw that is recognised when it comes back. */
  throwable(): unknown {
    const value = this.pick([new Error('of the caller'), Symbol('of the caller'), { of: 'the caller' }]);
    this.thrown.push(value);
    return value;
  }
}

// No integer between 100 and 2^31: as a size it could be valid, and the call would take gigabytes or minutes.
const NUMBERS = [
  ...[0, -0, 1, 2, 3, 4, 5, 7, 15, 64, -1, -2, -100, 0.5, 1.5, Number.NaN, Infinity, -Infinity],
  ...[1e-39, 1e-45, 5e-324, 3e-38, 1e-300, 1e36, 1e37, 3.5e38, 1e39, 1e300, -1e39],
  ...[2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 31), 2 ** 31 + 0.5, 2 ** 63],
];

const STRINGS = [
  '',
  '0',
  '1',
  'abc',
  'mean',
  'none',
  'cuda',
  'cuda:0',
  'cpu',
  'dense',
  'allowed',
  'in-place',
  '__proto__',
];

const otherRealm = createContext({});
const inOtherRealm = (source: string) => runInContext(source, otherRealm);
const OTHER_REALM = inOtherRealm('({ Object, Array, Float32Array, Int32Array, Uint32Array, Uint16Array, Uint8Array })');

type ArrayConstructor = new (from?: unknown, offset?: number, length?: number) => ArrayBufferView;

const ARRAY_TYPES = [
  ...[Float32Array, Float64Array, Int32Array, Uint32Array, Uint16Array, Uint8Array, Int8Array],
  ...[BigInt64Array, BigUint64Array, Uint8ClampedArray, DataView],
] as unknown as ArrayConstructor[];

const ResizableArrayBuffer = ArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => ArrayBuffer & { resize(length: number): void };
const GrowableSharedArrayBuffer = SharedArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer;

function detach(buffer: ArrayBufferLike): void {
  if (buffer instanceof SharedArrayBuffer) return;
  try {
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
  } catch {
    // Not a buffer that can be detached, or not any more.
  }
}

const isTypedArray = (value: unknown): value is Float32Array =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

/** A primitive. */
export function primitive(h: Hostility): unknown {
  const kind = h.below(10);
  if (kind < 5) return h.pick(NUMBERS);
  if (kind < 7) return h.pick(STRINGS);
  return h.pick([undefined, null, true, false, 0n, 1n, -1n, 2n ** 64n, Symbol('s')]);
}

// Counts that are valid as large as they may be, and would then take minutes: users are decoded one batch after the other.
const COUNTS = new Set<unknown>(['users', 'samples']);

/** Any value that a member of this name may have. */
export function memberValue(h: Hostility, name: unknown, value: unknown = anyValue(h, 1)): unknown {
  if (name === 'reason') h.thrown.push(value); // of a signal
  return COUNTS.has(name) && Number.isSafeInteger(value) && (value as number) > 100 ? 3 : value;
}

/** Any value at all. */
export function anyValue(h: Hostility, depth = 0): unknown {
  switch (h.below(depth > 2 ? 4 : 14)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return primitive(h);
    case 4:
    case 5: {
      const Type = h.pick(ARRAY_TYPES);
      const array = new Type(new ArrayBuffer(8 * h.below(16)));
      h.buffers.push(array.buffer);
      return h.below(2) === 0 ? array : transformed(h, array);
    }
    case 6:
      return Array.from({ length: h.below(5) }, () => anyValue(h, depth + 1));
    case 7: {
      const array: unknown[] = [];
      array.length = h.pick([1, 3, 2 ** 32 - 1]);
      if (h.below(2) === 0) array[0] = primitive(h);
      return array;
    }
    case 8:
      return { length: primitive(h), 0: primitive(h), 1: anyValue(h, depth + 1) };
    case 9:
      return Object.fromEntries(
        Array.from({ length: h.below(3) }, () => h.pick(NAMES)).map((name) => [name, memberValue(h, name)]),
      );
    case 10: {
      const value = anyValue(h, depth + 1);
      return () => value;
    }
    case 11:
      return h.pick([
        new Map([[0, 1]]),
        new Set([1]),
        new Date(0),
        /x/,
        new ArrayBuffer(16),
        Promise.resolve(1),
        Object,
      ]);
    case 12:
      return fakeSignal(h);
    default:
      return transformed(h, h.pick([{}, [], [1, 2], { offsets: Int32Array.of(0, 1), tokens: Int32Array.of(0) }]));
  }
}

function fakeSignal(h: Hostility): object {
  const method = () => {
    if (h.below(3) === 0) throw h.throwable();
  };
  const reason = h.throwable();
  const signal: Record<string, unknown> = { aborted: h.below(2) === 0, reason };
  if (h.below(8) > 0) signal.addEventListener = method;
  if (h.below(8) > 0) signal.removeEventListener = method;
  return signal;
}

/** Names that the package reads from objects. */
export const NAMES = [
  ...Object.keys(OPTIONS),
  ...[
    'data',
    'shape',
    'offsets',
    'tokens',
    'bitmask',
    'gradLogits',
    'stream',
    'layout',
    'logProbabilities',
    'logSumExp',
  ],
  ...['step', 'trie', 'users', 'forcedTokens', 'lengthPenalty', 'usersPerStep', 'maxResults', 'count', 'targets'],
  ...['logits', 'state', 'droppedAt', 'steps', 'items', 'levels', 'seed', 'clusters', 'samples', 'confidence'],
  ...['numerators', 'denominators', 'aborted', 'addEventListener', 'removeEventListener', 'reason', 'code', 'argument'],
  ...['expected', 'received', 'row', 'status', 'toJSON', 'isNew', 'mode', 'number', 'array'],
];

/** The value in another disguise, or spoiled. */
export function transformed(h: Hostility, value: unknown): unknown {
  if (isTypedArray(value)) return transformedArray(h, value);
  if (typeof value === 'function') return h.below(2) === 0 ? proxied(h, value) : throwing(h);
  if (typeof value !== 'object' || value === null) return anyValue(h);
  const kind = h.below(9);
  // A Proxy of an array may have another length at each look, and no end.
  if (kind < 4 || types.isProxy(value)) return proxied(h, value);
  if (Array.isArray(value)) return value.length > 100 ? proxied(h, value) : transformedList(h, value);
  h.log.push('another kind of object');
  if (kind === 4) return Object.create(value);
  if (kind === 5) return Object.assign(Object.create(null), value);
  if (kind === 6) return Object.freeze({ ...value });
  if (kind === 7) return Object.assign(new OTHER_REALM.Object(), value);
  return Object.setPrototypeOf({ ...value }, revokedProxy({}));
}

function throwing(h: Hostility): () => never {
  h.log.push('a function that throws');
  const error = h.throwable();
  return () => {
    throw error;
  };
}

function revokedProxy(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A Proxy: transparent, revoked, or one that throws, revokes itself or gives something else at some access. */
function proxied(h: Hostility, target: object): object {
  if (types.isPromise(target)) return target; // which a Proxy of it cannot be awaited as, wherever it is
  const kind = h.below(6);
  h.log.push(
    ['a Proxy', 'a revoked Proxy', 'a Proxy that throws', 'that revokes itself', 'that changes', 'that detaches'][
      kind
    ] as string,
  );
  if (kind === 1) return revokedProxy(target);
  let left = h.below(12);
  const act = (): void => {
    if (kind < 2 || left-- > 0) return;
    if (kind === 2) throw h.throwable();
    if (kind === 3) revoke();
    if (kind === 5) for (const buffer of h.buffers) detach(buffer);
  };
  // What a trap throws is the caller's, also where the target is a Proxy that was revoked.
  const own = <Result>(act: () => Result): Result => {
    try {
      return act();
    } catch (error) {
      h.thrown.push(error);
      throw error;
    }
  };
  const handler: ProxyHandler<object> = {
    get: (object, key) => {
      act();
      // Not `then`: a promise would wait for a function that never calls back.
      if (
        kind === 4 &&
        left < 0 &&
        key !== 'then' &&
        Object.getOwnPropertyDescriptor(object, key)?.configurable !== false
      ) {
        return memberValue(h, key);
      }
      return own(() => Reflect.get(object, key));
    },
    has: (object, key) => {
      act();
      return own(() => Reflect.has(object, key));
    },
    ownKeys: (object) => {
      act();
      return own(() => Reflect.ownKeys(object));
    },
    getOwnPropertyDescriptor: (object, key) => {
      act();
      return own(() => Reflect.getOwnPropertyDescriptor(object, key));
    },
    getPrototypeOf: (object) => {
      act();
      return own(() => Reflect.getPrototypeOf(object));
    },
  };
  const { proxy, revoke } = Proxy.revocable(target, handler);
  return proxy;
}

function transformedList(h: Hostility, value: readonly unknown[]): unknown {
  const kind = h.below(6);
  h.log.push(`another kind of array (${kind})`);
  if (kind === 0) return OTHER_REALM.Array.from(value);
  if (kind === 1) return Object.setPrototypeOf([...value], class extends Array {}.prototype);
  if (kind === 2) return Object.assign({ ...value }, { length: value.length });
  const copy = [...value];
  if (kind === 3) copy.push(anyValue(h, 2));
  if (kind === 4) Object.defineProperty(copy, Symbol.iterator, { value: throwing(h) });
  if (kind === 5 && copy.length > 0) addGetter(h, copy, h.below(copy.length));
  return copy;
}

class Subclass extends Int32Array {
  static get [Symbol.species](): never {
    throw new Error('the species was asked for');
  }
}

function transformedArray(h: Hostility, array: Float32Array): unknown {
  const kind = h.below(14);
  h.log.push(`another kind of typed array (${kind})`);
  const Type = Object.getPrototypeOf(array).constructor as ArrayConstructor & { BYTES_PER_ELEMENT: number };
  if (typeof Type !== 'function' || typeof Type.BYTES_PER_ELEMENT !== 'number') return array;
  const size = Type.BYTES_PER_ELEMENT;
  const over = (buffer: ArrayBufferLike, length?: number, offset = 0): Float32Array => {
    const view = new Type(buffer, offset, length) as unknown as Float32Array;
    h.buffers.push(buffer);
    const shared = Math.min(view.length, array.length);
    for (let index = 0; index < shared; index++) view[index] = array[index] as number;
    return view;
  };
  const bytes = array.length * size;
  switch (kind) {
    case 0:
      detach(array.buffer);
      return array;
    case 1:
      return over(new SharedArrayBuffer(bytes));
    case 2: {
      const shared = new SharedArrayBuffer(bytes);
      const view = over(shared);
      Object.setPrototypeOf(shared, ArrayBuffer.prototype);
      return view;
    }
    case 3:
      return over(new GrowableSharedArrayBuffer(bytes, { maxByteLength: bytes + 64 }));
    case 4:
      return over(new ResizableArrayBuffer(bytes, { maxByteLength: bytes + 64 }));
    case 5: {
      const buffer = new ResizableArrayBuffer(bytes + size, { maxByteLength: bytes + 64 });
      const view = over(buffer, array.length);
      buffer.resize(h.below(bytes + 1));
      return view;
    }
    case 6:
      return Object.defineProperty(over(new ArrayBuffer(bytes)), 'length', {
        value: h.pick([0, 1, 1000, -1, Number.NaN]),
      });
    case 7: {
      const view = over(new ArrayBuffer(bytes));
      for (const name of ['buffer', 'byteOffset', 'byteLength', 'BYTES_PER_ELEMENT', 'constructor']) {
        Object.defineProperty(view, name, { get: throwing(h) });
      }
      return view;
    }
    case 8: {
      const RealmType = OTHER_REALM[Type.name] as (new (from: unknown) => unknown) | undefined;
      return RealmType ? new RealmType(Array.from(array)) : array;
    }
    case 9:
      return Object.setPrototypeOf(over(new ArrayBuffer(bytes)), h.pick([null, Object.prototype, Subclass.prototype]));
    case 10:
      return array.subarray(h.below(array.length + 1));
    case 11:
      return over(new ArrayBuffer(bytes + size * (1 + h.below(4))));
    case 12: {
      const copy = over(new ArrayBuffer(bytes));
      if (copy.length === 0) return copy;
      const isBig = typeof copy[0] === 'bigint';
      copy[h.below(copy.length)] = (isBig ? 2n ** 40n : h.pick(NUMBERS)) as number;
      return copy;
    }
    default:
      return proxied(h, array);
  }
}

/** In place of a member: a getter that gives it, and does or changes something at some access. */
export function addGetter(h: Hostility, parent: object, key: string | number): void {
  const value = Reflect.get(parent, key);
  const kind = h.below(5);
  const place = `a getter of ${String(key)} that`;
  h.log.push(`${place} ${['changes', 'throws', 'detaches', 'resizes', 'removes others'][kind]}`);
  let left = h.below(3);
  const get = () => {
    if (left-- > 0) return value;
    if (kind === 0) return memberValue(h, key);
    if (kind === 1) throw h.throwable();
    if (kind === 2) for (const buffer of h.buffers) detach(buffer);
    if (kind === 3) for (const buffer of h.buffers) resize(buffer, h.below(64));
    if (kind === 4) for (const other of Object.keys(parent)) if (other !== key) Reflect.deleteProperty(parent, other);
    return value;
  };
  Reflect.defineProperty(parent, key, { get, enumerable: true, configurable: true });
}

function resize(buffer: ArrayBufferLike, length: number): void {
  try {
    (buffer as unknown as { resize(length: number): void }).resize(length);
  } catch {
    // Of a fixed length.
  }
}
