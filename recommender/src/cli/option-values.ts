import { InvalidArgumentError } from 'commander';
import { COUNT, FINITE, FROM_ZERO, ITEM_ID, POSITIVE, type Range, SEED, SHARE } from '../ranges.js';

// Parsers of option values for commander, which puts the option's name before the message.

/** Decimal, as people write numbers: no hexadecimal ones and no spaces, which `Number` takes. */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function numberIn({ isValid, words }: Range): (text: string) => number {
  return (text) => {
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
    if (!isValid(value)) throw new InvalidArgumentError(`Expected ${words}.`);
    return value;
  };
}

export const count = numberIn(COUNT);
export const seed = numberIn(SEED);
export const number = numberIn(FINITE);
export const fromZero = numberIn(FROM_ZERO);
export const positive = numberIn(POSITIVE);
export const share = numberIn(SHARE);

export function itemIds(text: string): number[] {
  const ids = text.split(',').map((id) => id.trim());
  if (!ids.every((id) => /^\d{1,9}$/.test(id) && ITEM_ID.isValid(Number(id)))) {
    throw new InvalidArgumentError('Expected item ids, separated by commas.');
  }
  return ids.map(Number);
}

/** Of a folder: an empty one would be where the command is started. */
export function path(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected a path.');
  return text;
}
