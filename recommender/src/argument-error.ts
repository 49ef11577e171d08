/** An argument of this package's own functions that is out of range; the message begins with its name. */
export function argumentError(argument: string, message: string): RangeError {
  return new RangeError(`${argument}: ${message}`);
}

export function requirePositiveInteger(value: number, argument: string): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw argumentError(argument, `expected a positive integer, got ${value}`);
}
