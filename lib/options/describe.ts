import { isProxy } from './runtime.js';
import { lengthOf, typedArrayName } from './typed-arrays.js';

const LONGEST_STRING = 40;

/** A value in a few words, for error messages. Runs no code of the value's where Proxies can be told apart. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > LONGEST_STRING ? `${value.slice(0, LONGEST_STRING)}...` : value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return 'a function';
    case 'object':
      return describeObject(value);
    default:
      return String(value);
  }
}

function describeObject(value: object | null): string {
  if (value === null) return 'null';
  if (isRevoked(value)) return 'a Proxy that was revoked';
  if (isProxy(value)) return 'a Proxy';
  if (Array.isArray(value)) return describeArray(value);
  const arrayType = typedArrayName(value);
  if (arrayType !== undefined) return `${arrayType}(${lengthOf(value as Float32Array)})`;
  const name = cudaObjectName(value);
  return name === undefined ? 'an object' : `${name}, which the entry fused-bear-loss/cuda takes`;
}

function describeArray(array: readonly unknown[]): string {
  try {
    return `an array of length ${array.length}`;
  } catch {
    return 'a Proxy'; // of a browser
  }
}

/** Whether the value is a Proxy that was revoked, of which nothing can be read. Runs no code of the value's. */
export function isRevoked(value: unknown): boolean {
  try {
    Array.isArray(value); // asks the target of a Proxy, and no trap
    return false;
  } catch {
    return true;
  }
}

// The objects of the entry `fused-bear-loss/cuda`. The other entries know no more of them than their names, to tell callers
// who pass one where it belongs.
const cudaObjects = new WeakMap<object, string>();

/** Registers an object of that entry. */
export function registerCudaObject(object: object, name: string): void {
  cudaObjects.set(object, name);
}

/** `a DeviceTensor` or `a CudaStream`; undefined for every other value. Runs no code of the value's. */
export function cudaObjectName(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? cudaObjects.get(value) : undefined;
}
