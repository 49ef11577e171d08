// Chooses what computes: the native addon where there is one, else the WebAssembly module. Nothing is loaded before the
// first call.
import { addonNotFound } from './addon-not-found.js';
import type { NativeBinding } from './binding.js';
import { loadAddon } from './load-addon.js';
import { cpuWarnings, warn, warnAboutEnvironment } from './warnings.js';

const VARIABLE = 'FUSED_BEAR_LOSS_BACKEND';

export interface Backend {
  name: 'native' | 'wasm';
  binding: NativeBinding;
  /** Why it is not the native addon. */
  reason?: string;
}

let chosen: Backend | undefined;

/**
 * What computes. Where nothing can be loaded, throws an Error with code ERR_BEAR_ADDON_NOT_FOUND that says what to do, or
 * with the ERR_BEAR_WASM_ code that says why the module cannot stand in for the addon.
 */
export function backend(): Backend {
  chosen ??= choose();
  return chosen;
}

/** The functions of {@link backend}. */
export function native(): NativeBinding {
  return backend().binding;
}

/** `use` with the backend of this name, whatever was chosen: `doctor` looks at both. Throws where it cannot be loaded. */
export function withBackend<Result>(name: Backend['name'], use: () => Result): Result {
  const before = chosen;
  chosen = { name, binding: name === 'wasm' ? loadWasm() : requireAddon() };
  try {
    return use();
  } finally {
    chosen = before;
  }
}

function requireAddon(): NativeBinding {
  const found = loadAddon();
  if (found.addon === undefined) throw new Error(found.reason);
  return found.addon;
}

function choose(): Backend {
  const backend = load();
  for (const warning of cpuWarnings(backend.binding)) warnAboutEnvironment(warning);
  return backend;
}

function load(): Backend {
  const forced = process.env[VARIABLE] ?? '';
  if (forced === 'wasm') return { name: 'wasm', binding: loadWasm(), reason: `${VARIABLE} is wasm` };
  if (forced !== '' && forced !== 'native') throw unknownBackend(forced);
  const found = loadAddon();
  if (found.addon !== undefined) return { name: 'native', binding: found.addon };
  if (forced === 'native') throw addonNotFound(found);
  try {
    const backend: Backend = { name: 'wasm', binding: loadWasm(), reason: found.reason };
    if (found.present) {
      warn(
        `The WebAssembly module computes, several times slower than the native addon: ${found.reason}`,
        'BEAR_BACKEND',
      );
    }
    return backend;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === undefined || code === 'ERR_BEAR_WASM_NOT_FOUND') throw addonNotFound(found);
    throw Object.assign(new Error(`${message}; and ${found.reason}`, { cause: error }), { code });
  }
}

// Read only where it is needed: it is the larger part of the package's JavaScript.
function loadWasm(): NativeBinding {
  const { loadWasm }: typeof import('../wasm/wasm-binding.js') = require('../wasm/wasm-binding.js');
  return loadWasm();
}

function unknownBackend(name: string): Error {
  const message = `fused-bear-loss: ${VARIABLE} is ${JSON.stringify(name)}: expected native or wasm`;
  return Object.assign(new Error(message), { code: 'ERR_BEAR_BACKEND_UNKNOWN' });
}
