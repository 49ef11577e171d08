// How callers name devices and addresses.
import { refuse } from './errors.js';

/** A CUDA device; `cuda` is `cuda:0`. */
export type CudaDeviceName = 'cuda' | `cuda:${number}`;

/** `cpu` or `cuda:0`, as the addon counts: -1 is the CPU. */
export function deviceName(index: number): 'cpu' | `cuda:${number}` {
  return index < 0 ? 'cpu' : `cuda:${index}`;
}

/** The other way round, for a name that has been checked. */
export function deviceIndex(name: string): number {
  if (name === 'cpu') return -1;
  return name === 'cuda' ? 0 : Number(name.slice('cuda:'.length));
}

/** The index of a device that the caller named. */
export function readDevice(device: unknown): number {
  const expected = "'cuda', or 'cuda:' and a device's number";
  if (typeof device !== 'string') refuse('ERR_BEAR_ARGUMENT_TYPE', 'device', expected, device);
  if (!/^cuda(:\d{1,4})?$/.test(device)) refuse('ERR_BEAR_OPTION_VALUE', 'device', expected, device);
  return deviceIndex(device);
}

/** Throws unless it can be an address of elements of this size. */
export function checkPointer(pointer: unknown, elementBytes: number): void {
  if (typeof pointer !== 'bigint') refuse('ERR_BEAR_ARGUMENT_TYPE', 'pointer', 'an address as a bigint', pointer);
  const isAddress = pointer > 0n && pointer < 2n ** 64n && pointer % BigInt(elementBytes) === 0n;
  if (isAddress) return;
  refuse('ERR_BEAR_POINTER', 'pointer', `an address above 0 that is a multiple of ${elementBytes}`, pointer);
}
