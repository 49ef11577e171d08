// Asynchronous calls on the module: a part at a time, between which the event loop turns.
import type { NativeOutcome } from '../native/binding.js';
import { whileModuleHasMemory } from './module.js';

export interface SlicedCall {
  /** Computes a part; returns how the call has ended, if it has. */
  step(): NativeOutcome | undefined;
}

export function isAborted(flag: Int32Array | undefined): boolean {
  return flag !== undefined && Atomics.load(flag, 0) !== 0;
}

interface Waiting {
  call: SlicedCall;
  done: (outcome: NativeOutcome) => void;
}

// One after the other, in the order of the calls. A turn of the event loop comes before each slice.
const waiting: Waiting[] = [];

export function enqueue(call: SlicedCall, done: (outcome: NativeOutcome) => void): void {
  waiting.push({ call, done });
  if (waiting.length === 1) afterOneTurn(computeSlice);
}

function computeSlice(): void {
  const { call, done } = waiting[0] as Waiting;
  let outcome: NativeOutcome | undefined;
  let isOver = true;
  try {
    outcome = whileModuleHasMemory(() => call.step());
    isOver = outcome !== undefined;
  } finally {
    // Also after an error of this package's own, which goes to the runtime: the other calls go on.
    if (isOver) waiting.shift();
    if (waiting.length > 0) afterOneTurn(computeSlice);
  }
  if (outcome !== undefined) done(outcome);
}

// Taken here, as programs replace them (fake timers). A browser delays a nested timeout by 4 ms, but no message.
const { setImmediate, MessageChannel, setTimeout } = globalThis as unknown as {
  setImmediate?: (callback: () => void) => void;
  MessageChannel?: new () => {
    port1: { onmessage: unknown; close(): void };
    port2: { postMessage(value: unknown): void };
  };
  setTimeout: (callback: () => void, delay: number) => void;
};

function afterOneTurn(callback: () => void): void {
  if (setImmediate !== undefined) {
    setImmediate(callback);
  } else if (MessageChannel !== undefined) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      callback();
    };
    port2.postMessage(undefined);
  } else {
    setTimeout(callback, 0);
  }
}
