import fc from 'fast-check';
import { RisingOffsets, wordCount } from '../../lib/decoding/rising-offsets';

// Small steps as of nodes with one child, and large ones as of a root.
const offsets = fc
  .array(fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.integer({ min: 0, max: 5000 })), {
    maxLength: 300,
  })
  .map((steps) => {
    const rising = Int32Array.of(0, ...steps);
    for (let index = 1; index < rising.length; index++)
      rising[index] = (rising[index] as number) + (rising[index - 1] as number);
    return rising;
  });

function lastOf(values: Int32Array): number {
  return values[values.length - 1] as number;
}

describe('rising offsets', () => {
  it('gives each offset back, one by one and all together', () => {
    fc.assert(
      fc.property(offsets, (values) => {
        const rising = RisingOffsets.fromArray(values);
        expect(rising.length).toBe(values.length);
        expect(Array.from(values, (_, index) => rising.at(index))).toEqual([...values]);
        expect(rising.toArray()).toEqual(values);
      }),
    );
  });

  it('is made again of its words', () => {
    fc.assert(
      fc.property(offsets, (values) => {
        const { words } = RisingOffsets.fromArray(values);
        expect(words.length).toBe(wordCount(values.length, lastOf(values)));
        const again = RisingOffsets.fromWords(words, values.length, lastOf(values));
        expect(Array.from(values, (_, index) => again?.at(index))).toEqual([...values]);
      }),
    );
  });

  it.each([
    ['too few marks', [0b0011], 3, 1],
    ['too many marks', [0b1111], 3, 1],
    ['a first offset that is not 0', [0b1110], 3, 1],
    ['another last offset', [0b1011], 3, 2],
  ])('knows words with %s', (_, words, length, last) => {
    expect(RisingOffsets.fromWords(Uint32Array.from(words), length, last)).toBeUndefined();
  });

  it('takes three bits for each of many steps of one', () => {
    const values = Int32Array.from({ length: 1 << 16 }, (_, index) => index);
    const { byteLength } = RisingOffsets.fromArray(values);
    expect(byteLength).toBe((3 * (1 << 16)) / 8);
  });
});
