import type * as Index from '../../lib/index';
import type * as Module from '../../lib/wasm/module';

/** The library as a new process would load it, with the backend that the variable asks for; undefined: none. */
export function loadWith(backend: string | undefined): typeof Index {
  const before = process.env.FUSED_BEAR_LOSS_BACKEND;
  let index: typeof Index | undefined;
  try {
    if (backend === undefined) delete process.env.FUSED_BEAR_LOSS_BACKEND;
    else process.env.FUSED_BEAR_LOSS_BACKEND = backend;
    jest.isolateModules(() => {
      index = require('../../lib/index');
      // The backend is chosen, and its modules are loaded, at the first call.
      (index as typeof Index).capabilities();
    });
  } finally {
    process.env.FUSED_BEAR_LOSS_BACKEND = before;
  }
  return index as typeof Index;
}

/** What loading it throws. */
export function loadFailure(backend: string | undefined): Error & { code?: string } {
  try {
    loadWith(backend);
  } catch (error) {
    return error as Error;
  }
  throw new Error('a backend was loaded');
}

/** Bytes of the module's memory. */
export function moduleBytes(): number {
  const { moduleExports } = require('../../lib/wasm/module') as typeof Module;
  return moduleExports().memory.buffer.byteLength;
}
