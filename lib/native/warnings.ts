// What the process is told, once, on stderr unless the program decides otherwise.
import type { NativeBinding } from './binding.js';

/** An environment variable that could not be followed. */
export function warnAboutEnvironment(message: string): void {
  warn(message, 'BEAR_ENVIRONMENT');
}

export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'FusedBearLossWarning', code });
}

/** What the environment asks of the CPU kernels and does not get. */
export function cpuWarnings(binding: NativeBinding): string[] {
  const { overrideError, tuningError } = binding.cpuInfo();
  return [
    ...(overrideError === '' ? [] : [`FUSED_BEAR_LOSS_INSTRUCTION_SET was not followed: ${overrideError}`]),
    ...(tuningError === '' ? [] : [`FUSED_BEAR_LOSS_TUNING was not followed: ${tuningError}`]),
  ];
}
