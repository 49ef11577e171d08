// Compiled while the page loads, as a browser may refuse to keep its main thread busy with it. What fails is thrown by the
// first call, where a program can catch it.
import type * as OfNode from './compiled-module.js';
import { blockedError, moduleBytes, webAssembly } from './web-assembly.js';

const compilation = await compile().then(
  (module) => ({ module }),
  (error: Error) => ({ error }),
);

export const compiledModule: typeof OfNode.compiledModule = () => {
  if ('error' in compilation) throw compilation.error;
  return compilation.module;
};

async function compile() {
  const bytes = moduleBytes();
  return webAssembly()
    .compile(bytes)
    .catch((error) => {
      throw blockedError(error);
    });
}
