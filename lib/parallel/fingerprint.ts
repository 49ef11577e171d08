// What tells parts of one call from those of another: a hash of everything that all of them must have been given alike.

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

export interface SharedArrays {
  targets: Int32Array;
  allowedOffsets: Int32Array | undefined;
  allowedTokens: Int32Array | undefined;
  allowedBitmask: Uint32Array | undefined;
}

/** FNV-1a over 32-bit words. A bitmask is the part's own, and only that there is one counts. */
export function fingerprintOf(arrays: SharedArrays, ignoreIndex: number): number {
  const { targets, allowedOffsets, allowedTokens, allowedBitmask } = arrays;
  const kind = allowedOffsets !== undefined ? 1 : allowedBitmask !== undefined ? 2 : 0;
  let hash = addWords(OFFSET, Int32Array.of(kind, ignoreIndex, targets.length));
  for (const words of [targets, allowedOffsets, allowedTokens]) {
    if (words !== undefined) hash = addWords(hash, words);
  }
  return hash >>> 0;
}

function addWords(start: number, words: Int32Array): number {
  let hash = start;
  for (let index = 0; index < words.length; index++) hash = Math.imul(hash ^ (words[index] as number), PRIME);
  return hash;
}
