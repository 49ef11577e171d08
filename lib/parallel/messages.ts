// What processes send each other.
import type { NativeMergedRows, NativePartials } from '../native/binding.js';
import type { SharedOptions } from './part-options.js';

/**
 * What one part of a vocabulary says of N rows: numbers and typed arrays, ready for `postMessage`, `v8.serialize` or
 * any other transport. W is `min(beamWidth, tokens)`. A row takes 21 bytes and 8 per candidate, with label smoothing
 * 8 more.
 */
export interface BearPartials extends SharedOptions, NativePartials {
  /** Of this layout. */
  version: 1;
  /** N */
  rows: number;
  /** The id of the part's first token. */
  firstToken: number;
  /** How many tokens the part has. */
  tokens: number;
  /** Of targets, lists and `ignoreIndex`: parts of one call have the same. */
  fingerprint: number;
}

/** What all parts together say of N rows: numbers and typed arrays, ready to send. */
export interface MergedRows extends SharedOptions, NativeMergedRows {
  /** Of this layout. */
  version: 1;
  /** N */
  rows: number;
  /** As the parts have it. */
  fingerprint: number;
}
