/** Seeded random numbers (mulberry32): the same for the same seed on every machine. */
export class Mulberry32 {
  /** All that the next numbers depend on. */
  state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    this.state = after(this.state);
    return uniformAt(this.state);
  }

  /** Of the next `length` uniform numbers, `below` for each that is less than `share`, and `above` for the others. */
  split(length: number, share: number, below: number, above: number): Float32Array {
    const values = new Float32Array(length);
    // In a variable: a field of 32 bits is an object of its own, made anew for each number.
    let state = this.state;
    for (let index = 0; index < length; index++) {
      state = after(state);
      values[index] = uniformAt(state) < share ? below : above;
    }
    this.state = state;
    return values;
  }
}

function after(state: number): number {
  return (state + 0x6d2b79f5) >>> 0;
}

function uniformAt(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
