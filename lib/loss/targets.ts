import { bearError, describe, refuse } from '../options/errors.js';
import { forEachElement, isArray } from '../options/reading.js';
import { isArrayOf } from '../options/typed-arrays.js';
import { assertAttached, copyIndices } from './arrays.js';

/** The target of each row: a token id, or `ignoreIndex`. */
export type Targets = Int32Array | BigInt64Array | readonly number[];

/**
 * The targets as 32-bit integers in memory that nobody else has. Whether they are ids of tokens is the addon's to check.
 */
export function readTargets(targets: Targets): Int32Array {
  if (isArrayOf(targets, 'Int32Array')) return copyIndices(targets, 'targets');
  if (isArrayOf(targets, 'BigInt64Array')) assertAttached(targets, 'targets');
  else if (!isArray(targets)) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'targets', 'an Int32Array, a BigInt64Array or an array of integers', targets);
  }
  const type = isArray(targets) ? 'number' : 'bigint';
  const ids: number[] = [];
  forEachElement(targets, 'targets', 'integers', (target, row) => ids.push(toInt32(target, type, row)));
  return new Int32Array(ids);
}

function toInt32(target: unknown, type: 'number' | 'bigint', row: number): number {
  if (typeof target === type) {
    // Narrowing a big integer first would let 2^32 + 5 pass for 5.
    if (typeof target === 'bigint' && BigInt.asIntN(32, target) === target) return Number(target);
    if (typeof target === 'number' && (target | 0) === target) return target;
  }
  throw bearError(typeof target === type ? 'ERR_BEAR_TARGET_OUT_OF_RANGE' : 'ERR_BEAR_ARGUMENT_TYPE', {
    argument: 'targets',
    expected: typeof target === type ? 'a token id or ignoreIndex' : 'an integer',
    received: describe(target),
    row,
  });
}
