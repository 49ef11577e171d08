/** A bad argument of this module: `code` is stable, `argument` names what was wrong. */
export function decodingError(
  kind: 'type' | 'range',
  code: `ERR_BEAR_${string}`,
  argument: string,
  message: string,
): Error {
  const text = `${argument}: ${message}`;
  return Object.assign(kind === 'type' ? new TypeError(text) : new RangeError(text), { code, argument });
}

export function requirePositiveInteger(value: number, argument: string): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw decodingError('range', 'ERR_BEAR_OPTION_VALUE', argument, `expected a positive integer, got ${value}`);
  }
}
