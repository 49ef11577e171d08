// Tokens and items: integers in [0, 2^31).
import { allocate } from '../loss/arrays.js';
import { argumentError, type BearErrorCode, describe } from '../options/errors.js';

export function isId(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value && value >= 0;
}

/** The error for a value that is not an id. @param place where in the argument it is, for example ` at index 3` */
export function idError(argument: string, value: unknown, place = ''): Error {
  const code = codeFor(value, 'ERR_BEAR_TOKEN');
  return argumentError(code, argument, 'an integer in [0, 2^31)', `${describe(value)}${place}`);
}

/** The code of a number that is out of range, unless the value is no number at all. */
export function codeFor(value: unknown, outOfRange: BearErrorCode): BearErrorCode {
  return typeof value === 'number' ? outOfRange : 'ERR_BEAR_ARGUMENT_TYPE';
}

/** Ids, of which a list does not say beforehand how many there will be. */
export class IdBuffer {
  private array = new Int32Array(1024);
  length = 0;

  push(id: number): void {
    if (this.length === this.array.length) this.grow();
    this.array[this.length++] = id;
  }

  private grow(): void {
    const larger = allocate(Int32Array, 2 * this.array.length, 'sequences');
    larger.set(this.array);
    this.array = larger;
  }

  /** As long as what was pushed. */
  take(): Int32Array {
    return this.array.slice(0, this.length);
  }
}

/** Whether offsets begin at 0, never fall and end at `end`. */
export function riseTo(offsets: Int32Array, end: number): boolean {
  const isRising = offsets.every((offset, index) => offset >= (offsets[index - 1] ?? 0));
  return isRising && offsets[0] === 0 && offsets[offsets.length - 1] === end;
}
