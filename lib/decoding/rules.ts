// The rules of numbers that only decoding has.
import { number } from '../options/rules.js';

export const finite = number('a finite number', Number.isFinite);
export const seed = number('an integer from 0 to 2^32 - 1', (value) => value >>> 0 === value);
export const share = number('a number between 0 and 1', (value) => value > 0 && value < 1);

type NumberRule = (value: unknown, argument: string) => number;

/** The value as its rule takes it, or the default where it is undefined. */
export function readNumber(value: unknown, argument: string, rule: NumberRule, byDefault: number): number {
  return value === undefined ? byDefault : rule(value, argument);
}
