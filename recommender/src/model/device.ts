import { setImmediate as nextTurn } from 'node:timers/promises';
import { blockUntilReady, defaultDevice, init, numpy as np } from '@jax-js/jax';
import type { Tensor } from './tensor.js';

/** Starts jax-js on the CPU by WebAssembly. */
export async function startDevice(): Promise<void> {
  // Node 20 has no navigator, and jax-js asks it for the number of cores.
  if (!('navigator' in globalThis)) {
    Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 1 }, configurable: true });
  }
  await init('wasm');
  defaultDevice('wasm');
}

/** A copy on the device. */
export function toDevice({ data, shape }: Tensor): np.Array {
  return np.array(data, { shape });
}

/**
 * What an array holds, on the host; the array is given away. jax-js on WebAssembly answers in microtasks alone, so the event
 * loop gets its turn here: else signals, timers and streams of the process would wait until a training is over.
 */
export async function readFloats(array: np.Array): Promise<Float32Array> {
  await nextTurn();
  return (await array.data()) as Float32Array;
}

/** Copies on the host; the arrays are given away. */
export async function toHost<Names extends string>(
  arrays: Record<Names, np.Array>,
): Promise<Record<Names, Float32Array>> {
  await blockUntilReady(arrays);
  const entries = Object.entries<np.Array>(arrays);
  const copies = await Promise.all(entries.map(async ([name, array]) => [name, await array.data()] as const));
  return Object.fromEntries(copies) as Record<Names, Float32Array>;
}
