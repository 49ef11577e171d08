import { assertLength, copyIndices } from './arrays.js';
import { assertOnHost } from './device-tensor.js';
import type { CheckedOptions } from './options.js';

/** Lists or a bitmask, or neither. */
export interface Constraint {
  offsets: Int32Array | undefined;
  tokens: Int32Array | undefined;
  bitmask: Uint32Array | undefined;
}

const NONE: Constraint = { offsets: undefined, tokens: undefined, bitmask: undefined };

/** The allowed-token constraint in memory that nobody else has. */
export function copyAllowed(allowed: CheckedOptions['allowed']): Constraint {
  if (allowed === undefined) return NONE;
  const { offsets, tokens, bitmask } = allowed;
  assertOnHost<Int32Array | undefined>(offsets, 'allowed.offsets');
  assertOnHost<Int32Array | undefined>(tokens, 'allowed.tokens');
  assertOnHost<Uint32Array | undefined>(bitmask, 'allowed.bitmask');
  return {
    offsets: offsets && copyIndices(offsets, 'allowed.offsets'),
    tokens: tokens && copyIndices(tokens, 'allowed.tokens'),
    bitmask: bitmask && copyIndices(bitmask, 'allowed.bitmask'),
  };
}

/** Throws unless the lengths are right. Whether offsets rise and ids are sorted is the addon's to check. */
export function checkExtents({ offsets, bitmask }: Constraint, rows: number, vocabSize: number): void {
  if (bitmask) assertLength(bitmask, rows * Math.ceil(vocabSize / 32), 'N * ceil(V / 32)', 'allowed.bitmask');
  if (offsets) assertLength(offsets, rows + 1, 'N + 1', 'allowed.offsets');
}
