// What the process is told, once, on stderr unless the program decides otherwise.

/** An environment variable that could not be followed. */
export function warnAboutEnvironment(message: string): void {
  warn(message, 'BEAR_ENVIRONMENT');
}

export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'FusedBearLossWarning', code });
}
