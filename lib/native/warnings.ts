// What the process is told, once, on stderr unless the program decides otherwise.

export function instructionSetWarning(overrideError: string): string {
  return `FUSED_BEAR_LOSS_INSTRUCTION_SET was not followed: ${overrideError}`;
}

/** An environment variable that could not be followed. */
export function warnAboutEnvironment(message: string): void {
  warn(message, 'BEAR_ENVIRONMENT');
}

export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'FusedBearLossWarning', code });
}
