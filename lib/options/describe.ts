import { types } from 'node:util';
import { cudaObjectName } from './cuda-objects.js';
import { lengthOf, typedArrayName } from './typed-arrays.js';

const LONGEST_STRING = 40;

/** A value in a few words, for error messages. Runs no code of the value's. */
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
  if (types.isProxy(value)) return isRevoked(value) ? 'a Proxy that was revoked' : 'a Proxy';
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  const arrayType = typedArrayName(value);
  if (arrayType !== undefined) return `${arrayType}(${lengthOf(value as Float32Array)})`;
  const name = cudaObjectName(value);
  return name === undefined ? 'an object' : `${name}, which the entry fused-bear-loss/cuda takes`;
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
