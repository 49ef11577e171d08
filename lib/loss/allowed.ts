import type { NativeLossCall } from '../native.js';
import { assertAttached, assertLength, withoutSharing } from './arrays.js';
import type { CheckedOptions } from './options.js';

type NativeConstraint = Pick<NativeLossCall, 'allowedOffsets' | 'allowedTokens' | 'allowedBitmask'>;

/**
 * The allowed-token constraint, of the right lengths and safe from other threads. Whether offsets rise and ids are sorted
 * is the addon's to check.
 */
export function readAllowed(allowed: CheckedOptions['allowed'], rows: number, vocabSize: number): NativeConstraint {
  const constraint: NativeConstraint = {
    allowedOffsets: undefined,
    allowedTokens: undefined,
    allowedBitmask: undefined,
  };
  if (allowed === undefined) return constraint;
  if ('bitmask' in allowed && allowed.bitmask !== undefined) {
    assertLength(allowed.bitmask, rows * Math.ceil(vocabSize / 32), 'N * ceil(V / 32)', 'allowed.bitmask');
    return { ...constraint, allowedBitmask: withoutSharing(allowed.bitmask) };
  }
  const { offsets, tokens } = allowed as Extract<typeof allowed, { offsets: Int32Array }>;
  assertLength(offsets, rows + 1, 'N + 1', 'allowed.offsets');
  assertAttached(tokens, 'allowed.tokens');
  return {
    ...constraint,
    allowedOffsets: withoutSharing(offsets),
    allowedTokens: withoutSharing(tokens),
  };
}
