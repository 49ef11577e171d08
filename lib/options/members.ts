// Objects of named members, as options and parts of options are: unknown names are refused, each member is read once.
import { bearError, describe, refuse } from './errors.js';
import { isArray, readingError } from './reading.js';
import { nearestName } from './suggest.js';

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
    if (!names.has(name)) throw unknownMember(name, `${prefix}${name}`, [...names]);
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

/** `read` of an object that has only these members. */
export function readMembers<Members>(
  value: unknown,
  argument: string,
  what: string,
  names: ReadonlySet<string>,
  read: (given: Record<string, unknown>) => Members,
  prefix?: string,
): Members {
  const given = checkMembers(value, argument, what, names, prefix);
  try {
    return read(given as Record<string, unknown>);
  } catch (error) {
    throw readingError(error, given, argument);
  }
}

function unknownMember(name: string, argument: string, names: readonly string[]): Error {
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `: ${names.join(', ')}` : ` (did you mean ${nearest}?)`;
  return bearError('ERR_BEAR_OPTION_UNKNOWN', {
    argument,
    expected: `a name that exists${hint}`,
    received: describe(name),
  });
}
