// What an option or a member of an argument may be. Lengths of arrays are checked later, when N and V are known.
import { cudaDeviceName } from './device-names.js';
import { refuse } from './errors.js';
import { readMembers } from './reading.js';
import { expectedNames } from './suggest.js';
import { isArrayOf } from './typed-arrays.js';

/**
 * Throws unless the option called `argument` takes the value, which is never undefined. Returns it; for an object what its
 * members are, each read once.
 */
export type Rule = (value: unknown, argument: string) => unknown;

/** A number that `accepts` takes. */
export function number(expected: string, accepts: (value: number) => boolean) {
  return (value: unknown, argument: string): number => {
    if (typeof value !== 'number') refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, value);
    if (!accepts(value)) refuse('ERR_BEAR_OPTION_VALUE', argument, expected, value);
    return value;
  };
}

const isPositiveInteger = (value: number) => Number.isSafeInteger(value) && value > 0;

// What a factor of float32 numbers may be: its inverse and its product with log2(e) or with the 126 binary orders of a
// normal float are float32 numbers too (docs/math.md, "Numbers").
const [SMALLEST, LARGEST] = [1e-36, 1e36];
export const scale = number('a number from 1e-36 to 1e36', (value) => value >= SMALLEST && value <= LARGEST);
export const factor = number('a number from -1e36 to 1e36', (value) => Math.abs(value) <= LARGEST);
export const factorFromZero = number('a number from 0 to 1e36', (value) => value >= 0 && value <= LARGEST);
export const positiveInteger = number('a positive integer', isPositiveInteger);
export const int32 = number(
  'a 32-bit integer',
  (value) => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31,
);
export const belowOne = number('a number from 0 to below 1', (value) => value >= 0 && value < 1);
export const threadCount = number('a positive integer', (value) => isPositiveInteger(value) && value < 2 ** 31);

export const boolean: Rule = (value, argument) => {
  if (typeof value !== 'boolean') refuse('ERR_BEAR_ARGUMENT_TYPE', argument, 'true or false', value);
  return value;
};

export function oneOf<const Name>(names: readonly Name[]) {
  const strings = names.filter((name) => typeof name === 'string');
  const others = names.filter((name) => typeof name !== 'string');
  return (value: unknown, argument: string): Name => {
    if (names.includes(value as Name)) return value as Name;
    const expected = [...others, expectedNames(value, strings)].join(', ');
    const code = typeof value === 'string' ? 'ERR_BEAR_OPTION_VALUE' : 'ERR_BEAR_ARGUMENT_TYPE';
    return refuse(code, argument, expected, value);
  };
}

function typedArray(name: 'Float32Array' | 'Int32Array' | 'Uint32Array'): Rule {
  const expected = `${name === 'Int32Array' ? 'an' : 'a'} ${name}`;
  return (value, argument) =>
    isArrayOf(value, name) ? value : refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, value);
}

export const float32Array = typedArray('Float32Array');
export const int32Array = typedArray('Int32Array');
export const uint32Array = typedArray('Uint32Array');

const factorOrArray = number(
  'a number from -1e36 to 1e36, or a Float32Array [N] for reduction "none"',
  (value) => Math.abs(value) <= LARGEST,
);

export const gradOutput: Rule = (value, argument) =>
  isArrayOf(value, 'Float32Array') ? value : factorOrArray(value, argument);

export const device: Rule = (value, argument) => {
  if (value === 'cpu' || value === 'auto') return value;
  return cudaDeviceName(value, argument, "'auto', 'cpu', 'cuda' or 'cuda:' and a device's number");
};

const ALLOWED_NAMES = new Set(['offsets', 'tokens', 'bitmask'] as const);

/** Lists or a bitmask, whose arrays `indices` and `bits` take. */
export function allowed(indices: Rule, bits: Rule): Rule {
  const what = '{ offsets: Int32Array, tokens: Int32Array } or { bitmask: Uint32Array }';
  return (value, argument) => {
    const { offsets, tokens, bitmask } = readMembers(value, argument, what, ALLOWED_NAMES);
    if (bitmask !== undefined) {
      if (offsets !== undefined || tokens !== undefined) {
        refuse('ERR_BEAR_OPTION_CONFLICT', argument, 'either lists or a bitmask', value);
      }
      return { offsets, tokens, bitmask: bits(bitmask, `${argument}.bitmask`) };
    }
    return {
      offsets: indices(offsets, `${argument}.offsets`),
      tokens: indices(tokens, `${argument}.tokens`),
      bitmask,
    };
  };
}

const OUT_NAMES = new Set(['gradLogits', 'rowStride'] as const);

export const out: Rule = (value, argument) => {
  const members = readMembers(value, argument, '{ gradLogits, rowStride }', OUT_NAMES);
  if (members.rowStride !== undefined) positiveInteger(members.rowStride, `${argument}.rowStride`);
  return members;
};
