import type * as OfNode from './threads.js';

// The WebAssembly module has one, whatever a call asks for.
export const resolveThreads: typeof OfNode.resolveThreads = (option) => option ?? 1;

export const threadsOverrideError: typeof OfNode.threadsOverrideError = () => undefined;
