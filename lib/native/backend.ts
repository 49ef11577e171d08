// Chooses what computes. Nothing is loaded before the first call.
import { addonNotFound } from './addon-not-found.js';
import type { NativeBinding } from './binding.js';
import { loadAddon } from './load-addon.js';

let binding: NativeBinding | undefined;

/** The addon. Throws an Error with code ERR_BEAR_ADDON_NOT_FOUND that says what to do where it cannot be loaded. */
export function native(): NativeBinding {
  binding ??= load();
  return binding;
}

function load(): NativeBinding {
  const found = loadAddon();
  if (found.addon === undefined) throw addonNotFound(found);
  const { overrideError } = found.addon.cpuInfo();
  if (overrideError !== '') warnAboutEnvironment(instructionSetWarning(overrideError));
  return found.addon;
}

export function instructionSetWarning(overrideError: string): string {
  return `FUSED_BEAR_LOSS_INSTRUCTION_SET was not followed: ${overrideError}`;
}

/** Tells once, on stderr unless the program decides otherwise, of an environment variable that could not be followed. */
export function warnAboutEnvironment(message: string): void {
  process.emitWarning(message, { type: 'FusedBearLossWarning', code: 'BEAR_ENVIRONMENT' });
}
