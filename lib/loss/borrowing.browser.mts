import type * as OfNode from './borrowing.js';

// The WebAssembly module copies whatever it reads.
export const staysInPlace: typeof OfNode.staysInPlace = () => false;
