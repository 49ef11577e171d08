// The same random numbers in every run.

export const seed = 20260122;

// mulberry32, uniform in (0, 1).
export function uniformGenerator(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

// Box and Muller; two values a step.
export function fillNormal(values: Float32Array, deviation: number, uniform: () => number): void {
  for (let i = 0; i < values.length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
}

/** Rounds to nearest, ties to even. NaN stays NaN. */
export function toBFloat16(values: Float32Array): Uint16Array {
  // Signed words: V8 keeps them in integer registers.
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const rounded = new Uint16Array(bits.length);
  // A loop, as Uint16Array.from() with a function takes a hundred times as long.
  for (let i = 0; i < bits.length; ++i) {
    const word = bits[i] as number;
    const noNumber = (word & 0x7fffffff) > 0x7f800000;
    rounded[i] = noNumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return rounded;
}
