import { assertAttached, assertLength, withoutSharing } from './arrays.js';
import { assertOnHost } from './device-tensor.js';
import type { CheckedOptions } from './options.js';

/** Lists or a bitmask, or neither. */
export interface Constraint {
  offsets: Int32Array | undefined;
  tokens: Int32Array | undefined;
  bitmask: Uint32Array | undefined;
}

const NONE: Constraint = { offsets: undefined, tokens: undefined, bitmask: undefined };

/**
 * The allowed-token constraint, of the right lengths and safe from other threads. Whether offsets rise and ids are sorted
 * is the addon's to check.
 */
export function readAllowed(allowed: CheckedOptions['allowed'], rows: number, vocabSize: number): Constraint {
  if (allowed === undefined) return NONE;
  if ('bitmask' in allowed && allowed.bitmask !== undefined) {
    assertOnHost<Uint32Array>(allowed.bitmask, 'allowed.bitmask');
    assertLength(allowed.bitmask, rows * Math.ceil(vocabSize / 32), 'N * ceil(V / 32)', 'allowed.bitmask');
    return { ...NONE, bitmask: withoutSharing(allowed.bitmask) };
  }
  const { offsets, tokens } = allowed as Extract<typeof allowed, { offsets: unknown }>;
  assertOnHost<Int32Array>(offsets, 'allowed.offsets');
  assertOnHost<Int32Array>(tokens, 'allowed.tokens');
  assertLength(offsets, rows + 1, 'N + 1', 'allowed.offsets');
  assertAttached(tokens, 'allowed.tokens');
  return { ...NONE, offsets: withoutSharing(offsets), tokens: withoutSharing(tokens) };
}
