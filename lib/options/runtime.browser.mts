import type * as OfNode from './runtime.js';

// A page cannot tell a Proxy from its target.
export const isProxy: typeof OfNode.isProxy = () => false;

export const environmentVariable: typeof OfNode.environmentVariable = () => undefined;
