// Tokens and items: integers in [0, 2^31).
import { type BearErrorCode, bearError, describe } from '../options/errors.js';

export function isId(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value && value >= 0;
}

/** The error for a value that is not an id. @param place where in the argument it is, for example ` at index 3` */
export function idError(argument: string, value: unknown, place = ''): Error {
  return bearError(codeFor(value, 'ERR_BEAR_TOKEN'), {
    argument,
    expected: 'an integer in [0, 2^31)',
    received: `${describe(value)}${place}`,
  });
}

/** The code of a number that is out of range, unless the value is no number at all. */
export function codeFor(value: unknown, outOfRange: BearErrorCode): BearErrorCode {
  return typeof value === 'number' ? outOfRange : 'ERR_BEAR_ARGUMENT_TYPE';
}
