import { blockedError, type CompiledModule, moduleBytes, webAssembly } from './web-assembly.js';

let compiled: CompiledModule | undefined;

/** The module, compiled at the first call. Throws an Error with a code of `WasmErrorCode`. */
export function compiledModule(): CompiledModule {
  compiled ??= compile();
  return compiled;
}

function compile(): CompiledModule {
  const bytes = moduleBytes();
  try {
    return new (webAssembly().Module)(bytes);
  } catch (error) {
    throw blockedError(error);
  }
}
