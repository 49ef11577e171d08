// The rules of numbers that only decoding has.
import { number } from '../options/rules.js';

export const finite = number('a finite number', Number.isFinite);

type NumberRule = (value: unknown, argument: string) => number;

/** The value as its rule takes it, or the default where it is undefined. */
export function readNumber(value: unknown, argument: string, rule: NumberRule, byDefault: number): number {
  return value === undefined ? byDefault : rule(value, argument);
}
