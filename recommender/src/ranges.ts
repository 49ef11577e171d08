/** The numbers that an option may have. */
export interface Range {
  isValid: (value: number) => boolean;
  /** What is expected, for an error. */
  words: string;
}

const isWhole = Number.isSafeInteger;

export const COUNT: Range = { isValid: (value) => isWhole(value) && value >= 1, words: 'a positive whole number' };
export const WHOLE: Range = { isValid: (value) => isWhole(value) && value >= 0, words: 'a whole number of at least 0' };
export const SEED: Range = {
  isValid: (value) => isWhole(value) && value >= 0 && value < 2 ** 32,
  words: 'a whole number from 0 to 2^32 - 1',
};
export const FINITE: Range = { isValid: Number.isFinite, words: 'a number' };
export const FROM_ZERO: Range = {
  isValid: (value) => Number.isFinite(value) && value >= 0,
  words: 'a number of at least 0',
};
export const POSITIVE: Range = { isValid: (value) => Number.isFinite(value) && value > 0, words: 'a number above 0' };
export const SHARE: Range = { isValid: (value) => value >= 0 && value < 1, words: 'a number in [0, 1)' };
export const FROM_ZERO_TO_ONE: Range = { isValid: (value) => value >= 0 && value <= 1, words: 'a number in [0, 1]' };
/** Of an item in the data. */
export const ITEM_ID: Range = {
  isValid: (value) => isWhole(value) && value >= 0 && value < 1e9,
  words: 'an item id, a whole number from 0 to 999999999',
};
