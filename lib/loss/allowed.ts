import type { CheckedAllowed, CheckedOptions } from '../options/check-options.js';
import { assertApart, assertLength, copyIndices } from './arrays.js';

export const NO_CONSTRAINT: CheckedAllowed<never, never> = {
  offsets: undefined,
  tokens: undefined,
  bitmask: undefined,
};

/** The allowed-token constraint in memory that nobody else has. */
export function copyAllowed(allowed: CheckedOptions['allowed']): CheckedAllowed {
  if (allowed === undefined) return NO_CONSTRAINT;
  const { offsets, tokens, bitmask } = allowed;
  return {
    offsets: offsets && copyIndices(offsets, 'allowed.offsets'),
    tokens: tokens && copyIndices(tokens, 'allowed.tokens'),
    bitmask: bitmask && copyIndices(bitmask, 'allowed.bitmask'),
  };
}

/** Throws unless the lengths are right. Whether offsets rise and ids are sorted is the addon's to check. */
export function checkExtents({ offsets, bitmask }: CheckedAllowed, rows: number, vocabSize: number): void {
  if (bitmask) assertLength(bitmask, rows * Math.ceil(vocabSize / 32), 'N * ceil(V / 32)', 'allowed.bitmask');
  if (offsets) assertLength(offsets, rows + 1, 'N + 1', 'allowed.offsets');
}

/** Throws where the start of an output is memory of the caller's constraint. */
export function assertAllowedApart(
  output: ArrayBufferView & { readonly length: number },
  elements: number,
  outputArgument: string,
  allowed: CheckedOptions['allowed'],
): void {
  if (allowed === undefined) return;
  const { offsets, tokens, bitmask } = allowed;
  assertApart(output, elements, outputArgument, offsets, 'allowed.offsets');
  assertApart(output, elements, outputArgument, tokens, 'allowed.tokens');
  assertApart(output, elements, outputArgument, bitmask, 'allowed.bitmask');
}
