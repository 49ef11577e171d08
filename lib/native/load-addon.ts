// The only place that loads the addon. Nothing is loaded before the first call.
import { addonNotFound } from './addon-not-found.js';
import type { NativeBinding } from './binding.js';
import { CALL_FIELDS } from './call-fields.js';
import { packageRoot } from './package-root.js';

let binding: NativeBinding | undefined;

/** The addon. Throws an Error with code ERR_BEAR_ADDON_NOT_FOUND that says what to do where it cannot be loaded. */
export function native(): NativeBinding {
  binding ??= load();
  return binding;
}

function load(): NativeBinding {
  let loaded: NativeBinding;
  try {
    loaded = (require('node-gyp-build') as (folder: string) => NativeBinding)(packageRoot);
    assertSameFields(loaded);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BEAR_OUT_OF_MEMORY') throw error;
    throw addonNotFound(error as Error);
  }
  const { overrideError } = loaded.cpuInfo();
  if (overrideError !== '') warnAboutEnvironment(instructionSetWarning(overrideError));
  return loaded;
}

// A clone that was updated and not built anew: positions would mean other fields.
function assertSameFields({ callFields }: NativeBinding): void {
  if (JSON.stringify(callFields) === JSON.stringify(CALL_FIELDS)) return;
  throw new Error('The addon that was found belongs to another version of this package.');
}

export function instructionSetWarning(overrideError: string): string {
  return `FUSED_BEAR_LOSS_INSTRUCTION_SET was not followed: ${overrideError}`;
}

/** Tells once, on stderr unless the program decides otherwise, of an environment variable that could not be followed. */
export function warnAboutEnvironment(message: string): void {
  process.emitWarning(message, { type: 'FusedBearLossWarning', code: 'BEAR_ENVIRONMENT' });
}
