import { assertAttached, isArrayOf, withoutSharing } from './arrays.js';
import { assertOnHost } from './device-tensor.js';
import { bearError, describe } from './errors.js';

/** The target of each row: a token id, or `ignoreIndex`. */
export type Targets = Int32Array | BigInt64Array | readonly number[];

/**
 * The targets as 32-bit integers that no other thread can change. Whether they are ids of tokens is the addon's to check.
 */
export function readTargets(targets: Targets): Int32Array {
  if (Array.isArray(targets)) return fromNumbers(targets);
  if (isArrayOf(targets, 'Int32Array')) {
    assertAttached(targets, 'targets');
    return withoutSharing(targets);
  }
  if (isArrayOf(targets, 'BigInt64Array')) {
    assertAttached(targets, 'targets');
    return fromBigInts(targets);
  }
  assertOnHost<unknown>(targets, 'targets');
  throw bearError('ERR_BEAR_ARGUMENT_TYPE', {
    argument: 'targets',
    expected: 'an Int32Array, a BigInt64Array or an array of integers',
    received: describe(targets),
  });
}

function fromNumbers(targets: readonly unknown[]): Int32Array {
  return Int32Array.from({ length: targets.length }, (_, row) => {
    const target = targets[row];
    if (typeof target !== 'number') {
      throw bearError('ERR_BEAR_ARGUMENT_TYPE', {
        argument: 'targets',
        expected: 'an integer',
        received: describe(target),
        row,
      });
    }
    if ((target | 0) !== target) throw outOfRange(target, row);
    return target;
  });
}

function fromBigInts(targets: BigInt64Array): Int32Array {
  return Int32Array.from(targets as unknown as ArrayLike<number>, (value, row) => {
    const target = value as unknown as bigint;
    // Narrowing first would let 2^32 + 5 pass for 5.
    if (BigInt.asIntN(32, target) !== target) throw outOfRange(target, row);
    return Number(target);
  });
}

function outOfRange(target: number | bigint, row: number): Error {
  return bearError('ERR_BEAR_TARGET_OUT_OF_RANGE', {
    argument: 'targets',
    expected: 'a token id or ignoreIndex',
    received: describe(target),
    row,
  });
}
