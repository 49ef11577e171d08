// A browser has only the WebAssembly module.
import { loadWasm } from '../wasm/wasm-binding.js';
import type * as OfNode from './backend.js';

let chosen: OfNode.Backend | undefined;

export const backend: typeof OfNode.backend = () => {
  chosen ??= { name: 'wasm', binding: loadWasm(), reason: 'browsers load no native addon' };
  return chosen;
};

export const native: typeof OfNode.native = () => backend().binding;
