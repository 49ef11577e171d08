import type { Range } from '../ranges.js';

// What the content of a file must be. Digests say that nothing was damaged; these, that it is what this program would write.

/** Returns the value with its type. @throws ShapeError that names the place, such as `metrics[2].loss` */
export type Shape<T> = (value: unknown, place: string) => T;

export class ShapeError extends Error {}

export function unexpected(place: string, expected: string, value: unknown): never {
  const shown = JSON.stringify(value) ?? String(value);
  const short = shown.length > 60 ? `${shown.slice(0, 60)}...` : shown;
  throw new ShapeError(`${place === '' ? '' : `${place}: `}expected ${expected}, got ${short}`);
}

export function numberIn({ isValid, words }: Range): Shape<number> {
  return (value, place) => (typeof value === 'number' && isValid(value) ? value : unexpected(place, words, value));
}

export const text: Shape<string> = (value, place) =>
  typeof value === 'string' ? value : unexpected(place, 'a text', value);

/** Of a flag that is there only where it is set. */
export const isTrue: Shape<true> = (value, place) => (value === true ? value : unexpected(place, 'true', value));

export function oneOf<T extends string>(choices: readonly T[]): Shape<T> {
  return (value, place) =>
    choices.find((choice) => choice === value) ?? unexpected(place, `one of ${choices.join(', ')}`, value);
}

export function listOf<T>(entry: Shape<T>): Shape<T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) return unexpected(place, 'a list', value);
    value.forEach((each, index) => {
      entry(each, `${place}[${index}]`);
    });
    return value;
  };
}

export function pairOf<A, B>(first: Shape<A>, second: Shape<B>): Shape<[A, B]> {
  return (value, place) => {
    if (!Array.isArray(value) || value.length !== 2) return unexpected(place, 'a pair', value);
    return [first(value[0], `${place}[0]`), second(value[1], `${place}[1]`)];
  };
}

type Fields<T> = { [Name in keyof T]-?: Shape<Exclude<T[Name], undefined>> };

/** An object with these fields, and no others. */
export function objectOf<Required extends object, Optional extends object = object>(
  required: Fields<Required>,
  optional: Fields<Optional> = {} as Fields<Optional>,
): Shape<Required & Partial<Optional>> {
  const all: Record<string, Shape<unknown>> = { ...required, ...optional };
  return (value, place) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return unexpected(place, 'an object', value);
    }
    const within = (name: string) => (place === '' ? name : `${place}.${name}`);
    const stranger = Object.keys(value).find((name) => !Object.hasOwn(all, name));
    if (stranger !== undefined) throw new ShapeError(`${within(stranger)}: there is no such field`);
    for (const [name, field] of Object.entries(all)) {
      if (Object.hasOwn(value, name) || Object.hasOwn(required, name)) {
        field((value as Record<string, unknown>)[name], within(name));
      }
    }
    return value as Required & Partial<Optional>;
  };
}
