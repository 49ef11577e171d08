// Objects and lists of callers, each member read once. Getters, traps and other threads may give something else the second
// time, so what is checked must be what is used. What a caller's own code throws passes through as it is.
import { describe, isRevoked } from './describe.js';
import { argumentError, type BearErrorCode, type BearLossError, fail, refuse } from './errors.js';
import { nearestName } from './suggest.js';
import { lengthOf, typedArrayName } from './typed-arrays.js';

/** An object that a Proxy stands in for, or inherits from. A chain of Proxies may be without an end. */
const MOST_PROTOTYPES = 100;

/** Whether the object, or one that it inherits from, is a Proxy that was revoked. */
export function isUnreadable(value: unknown): boolean {
  let object = value;
  for (let depth = 0; depth < MOST_PROTOTYPES && typeof object === 'object' && object !== null; depth++) {
    if (isRevoked(object)) return true;
    try {
      object = Object.getPrototypeOf(object);
    } catch {
      return false; // a trap of the caller's
    }
  }
  return isRevoked(object);
}

/**
 * What to throw for an error that came up while members of `object` were read: what the caller's getter or trap threw, as
 * it is, unless the language threw because the object is a Proxy that was revoked.
 */
export function readingError(error: unknown, object: unknown, argument: string): unknown {
  if (!isUnreadable(object)) return error;
  return argumentError('ERR_BEAR_ARGUMENT_TYPE', argument, 'an object that can be read', 'a Proxy that was revoked');
}

/** Array.isArray, which throws for a Proxy that was revoked. */
export function isArray(value: unknown): value is readonly unknown[] {
  return !isRevoked(value) && Array.isArray(value);
}

/** Throws unless the value is an object that has only these members; returns it. Errors call a member `prefix` + name. */
export function checkMembers(
  value: unknown,
  argument: string,
  what: string,
  names: ReadonlySet<string>,
  prefix = `${argument}.`,
): object {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || isArray(value)) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', argument, what, value);
  }
  for (const name of namesOf(value, argument)) {
    if (!names.has(name)) refuseMember(name, `${prefix}${name}`, [...names]);
  }
  return value;
}

function namesOf(value: object, argument: string): string[] {
  try {
    return Object.keys(value);
  } catch (error) {
    throw readingError(error, value, argument);
  }
}

/** The members of an object that has only these, in their order. */
export function readMembers<Name extends string>(
  value: unknown,
  argument: string,
  what: string,
  names: ReadonlySet<Name>,
  prefix?: string,
): Record<Name, unknown> {
  const given = checkMembers(value, argument, what, names, prefix) as Record<Name, unknown>;
  const members = {} as Record<Name, unknown>;
  try {
    for (const name of names) members[name] = given[name];
    return members;
  } catch (error) {
    throw readingError(error, given, argument);
  }
}

function refuseMember(name: string, argument: string, names: readonly string[]): never {
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `: ${names.join(', ')}` : ` (did you mean ${nearest}?)`;
  refuse('ERR_BEAR_OPTION_UNKNOWN', argument, `a name that exists${hint}`, name);
}

/**
 * Visits the elements of an array, a typed array or whatever has a length, each of them read once; returns how many. Of
 * a typed array neither an own `length` nor a subclass counts.
 *
 * @param what a list of what, for the error where it is none
 */
export function forEachElement(
  list: unknown,
  argument: string,
  what: string,
  visit: (element: unknown, index: number) => void,
): number {
  if (typedArrayName(list) !== undefined) {
    const array = list as Float64Array;
    for (let index = 0; index < lengthOf(array); index++) visit(array[index], index);
    return lengthOf(array);
  }
  if (typeof list !== 'object' || list === null)
    refuse('ERR_BEAR_ARGUMENT_TYPE', argument, `an array of ${what}`, list);
  try {
    const elements = list as ArrayLike<unknown>;
    const { length } = elements;
    if (!Number.isSafeInteger(length) || length < 0) {
      const received = `${describe(list)} whose length is ${describe(length)}`;
      fail('ERR_BEAR_ARGUMENT_TYPE', argument, `an array of ${what}`, received);
    }
    for (let index = 0; index < length; index++) visit(elements[index], index);
    return length;
  } catch (error) {
    throw readingError(error, list, argument);
  }
}

/** What says that an element of a list should have been something else. */
export function elementError(
  code: BearErrorCode,
  argument: string,
  what: string,
  element: unknown,
  index: number,
): BearLossError {
  return argumentError(code, argument, what, `${describe(element)} at index ${index}`);
}

/** The numbers of a list, whatever its kind: a copy. */
export function readNumbers(list: unknown, argument: string): Float64Array {
  const numbers: number[] = [];
  forEachElement(list, argument, 'numbers', (element, index) => {
    if (typeof element !== 'number') throw elementError('ERR_BEAR_ARGUMENT_TYPE', argument, 'numbers', element, index);
    numbers.push(element);
  });
  return new Float64Array(numbers);
}
