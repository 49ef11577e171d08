import { decodeBits, encodeBits, unitsApart } from './dtype';
import { SeededRandom } from './random';

const FORMATS = [
  { dtype: 'float16', largest: 65504, smallestNormal: 2 ** -14, smallest: 2 ** -24, unitAtOne: 2 ** -10 },
  {
    dtype: 'bfloat16',
    largest: 2 ** 127 * (2 - 2 ** -7),
    smallestNormal: 2 ** -126,
    smallest: 2 ** -133,
    unitAtOne: 2 ** -7,
  },
] as const;

describe.each(FORMATS)('$dtype conversion in the tests', ({ dtype, largest, smallestNormal, smallest, unitAtOne }) => {
  it('gives every bit pattern back', () => {
    const lost = Array.from({ length: 0x10000 }, (_, bits) => bits).filter((bits) => {
      const value = decodeBits(bits, dtype);
      return Number.isNaN(value)
        ? !Number.isNaN(decodeBits(encodeBits(value, dtype), dtype))
        : encodeBits(value, dtype) !== bits;
    });
    expect(lost).toEqual([]);
  });

  it('keeps NaN, infinities and the sign of zero', () => {
    expect(decodeBits(encodeBits(NaN, dtype), dtype)).toBeNaN();
    expect(decodeBits(encodeBits(-Infinity, dtype), dtype)).toBe(-Infinity);
    expect(decodeBits(encodeBits(-0, dtype), dtype)).toBe(-0);
  });

  it('knows its largest and smallest numbers', () => {
    const unitOfLargest = largest - decodeBits(encodeBits(largest, dtype) - 1, dtype);
    expect(decodeBits(encodeBits(largest, dtype), dtype)).toBe(largest);
    expect(decodeBits(encodeBits(largest + 0.49 * unitOfLargest, dtype), dtype)).toBe(largest);
    expect(decodeBits(encodeBits(largest + 0.5 * unitOfLargest, dtype), dtype)).toBe(Infinity);
    expect(decodeBits(1, dtype)).toBe(smallest);
    expect(encodeBits(0.5 * smallest, dtype)).toBe(0);
    expect(encodeBits(0.51 * smallest, dtype)).toBe(1);
    expect(decodeBits(encodeBits(smallestNormal - smallest, dtype), dtype)).toBe(smallestNormal - smallest);
  });

  it('rounds a half unit to even', () => {
    expect(decodeBits(encodeBits(1 + 0.5 * unitAtOne, dtype), dtype)).toBe(1);
    expect(decodeBits(encodeBits(1 + 1.5 * unitAtOne, dtype), dtype)).toBe(1 + 2 * unitAtOne);
    // Just above the half: a way through float32 would land on the half and go down.
    expect(decodeBits(encodeBits(1 + 0.5 * unitAtOne + 2 ** -40, dtype), dtype)).toBe(1 + unitAtOne);
  });

  it('rounds to the nearest of the two neighbours', () => {
    const random = new SeededRandom(1);
    for (let trial = 0; trial < 2000; ++trial) {
      const value = random.normal() * 2 ** (random.integer(30) - 20);
      const bits = encodeBits(value, dtype);
      const error = Math.abs(decodeBits(bits, dtype) - value);
      for (const neighbour of [bits - 1, bits + 1]) {
        if ((neighbour & 0x7fff) === 0x7fff || neighbour < 0) continue;
        expect(error).toBeLessThanOrEqual(Math.abs(decodeBits(neighbour, dtype) - value));
      }
    }
  });

  it('counts units across zero', () => {
    expect(unitsApart(0x8001, 0x0001)).toBe(2);
    expect(unitsApart(0x8000, 0x0000)).toBe(0);
  });
});
