import { isRevoked } from './describe.js';
import { refuse } from './errors.js';
import { readingError } from './reading.js';

type Listening = (type: 'abort', listener: () => void, options?: { once: boolean }) => void;

/** A signal of the caller's with the methods that it had when it was checked. */
export interface CheckedSignal {
  signal: AbortSignal;
  addEventListener: Listening;
  removeEventListener: Listening;
}

/** By its members: a signal of another realm is no instance of this one's AbortSignal. */
export function readSignal(value: unknown, argument: string): CheckedSignal {
  const expected = 'an AbortSignal';
  if (typeof value !== 'object' || value === null) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, value);
  try {
    const signal = value as AbortSignal;
    const { aborted, addEventListener, removeEventListener } = signal;
    if (typeof aborted !== 'boolean' || !isFunction(addEventListener) || !isFunction(removeEventListener)) {
      refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, value);
    }
    return { signal, addEventListener, removeEventListener } as CheckedSignal;
  } catch (error) {
    throw readingError(error, value, argument);
  }
}

/** Whether it can be called: a Proxy that was revoked cannot. */
export function isFunction(value: unknown): boolean {
  return typeof value === 'function' && !isRevoked(value);
}

export function isAborted({ signal }: CheckedSignal): boolean {
  try {
    return Boolean(signal.aborted);
  } catch (error) {
    throw readingError(error, signal, 'signal');
  }
}

/** What the signal says, for the caller to throw. */
export function reasonOf({ signal }: CheckedSignal): unknown {
  try {
    return signal.reason;
  } catch (error) {
    return readingError(error, signal, 'signal');
  }
}

/** What a signal says of a call. */
export interface Abortion {
  /** What the addon and this thread tell each other: [0] is 1 once the call is aborted, [1] is 1 once it has begun. */
  state: Int32Array;
  /** Fulfilled at the abort. */
  aborted: Promise<void>;
  unsubscribe(): void;
}

/** Of a call that has been aborted: whether the addon may still use what it was lent. */
export function hasBegun({ state }: Abortion): boolean {
  return Atomics.load(state, 1) === 1;
}

export function subscribe({ signal, addEventListener, removeEventListener }: CheckedSignal): Abortion {
  // A browser has shared memory only on some pages, and no other thread there that would look at it.
  const Memory = typeof SharedArrayBuffer === 'undefined' ? ArrayBuffer : SharedArrayBuffer;
  const state = new Int32Array(new Memory(2 * Int32Array.BYTES_PER_ELEMENT));
  let abort = () => {};
  const aborted = new Promise<void>((resolve) => {
    abort = () => {
      Atomics.store(state, 0, 1);
      resolve();
    };
  });
  try {
    Reflect.apply(addEventListener, signal, ['abort', abort, { once: true }]);
  } catch (error) {
    throw readingError(error, signal, 'signal');
  }
  const unsubscribe = () => {
    try {
      Reflect.apply(removeEventListener, signal, ['abort', abort]);
    } catch {
      // The call has ended, and its gradient is written: a signal that fails now cannot make it a refused one.
    }
  };
  return { state, aborted, unsubscribe };
}
