import { sha256 as hash } from '@noble/hashes/sha2.js';
import type * as OfNode from './sha256.js';

// By itself, as the browser's own returns a promise, and only to secure pages.
export const sha256: typeof OfNode.sha256 = (...parts) => {
  const digest = hash.create();
  for (const part of parts) digest.update(part);
  return digest.digest();
};
