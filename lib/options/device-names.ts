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

/** The name; throws unless it can be that of a CUDA device. */
export function cudaDeviceName(name: unknown, argument: string, expected: string): string {
  if (typeof name !== 'string') refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, name);
  if (!/^cuda(:\d{1,4})?$/.test(name)) refuse('ERR_BEAR_OPTION_VALUE', argument, expected, name);
  return name;
}

/** The index of a device that the caller named. */
export function readDevice(device: unknown): number {
  return deviceIndex(cudaDeviceName(device, 'device', "'cuda', or 'cuda:' and a device's number"));
}

/** Throws unless it can be an address of elements of this size. */
export function checkPointer(pointer: unknown, elementBytes: number): void {
  if (typeof pointer !== 'bigint') refuse('ERR_BEAR_ARGUMENT_TYPE', 'pointer', 'an address as a bigint', pointer);
  const isAddress = pointer > 0n && pointer < 2n ** 64n && pointer % BigInt(elementBytes) === 0n;
  if (isAddress) return;
  refuse('ERR_BEAR_POINTER', 'pointer', `an address above 0 that is a multiple of ${elementBytes}`, pointer);
}
