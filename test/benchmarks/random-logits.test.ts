import { toBFloat16 } from '../../benchmarks/random-logits';
import { encodeBits } from '../support/dtype';

/** Float32s of these bits. */
const floatsOf = (bits: Uint32Array) => new Float32Array(bits.buffer);

describe('toBFloat16()', () => {
  it('rounds to nearest, ties to even, whatever is cut off', () => {
    const cutOff = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
    const bits = Uint32Array.from({ length: 0x10000 * cutOff.length }, (_, i) => (i & 0xffff) * 0x10000);
    for (let i = 0; i < bits.length; ++i) bits[i] = (bits[i] as number) + (cutOff[i >> 16] as number);
    const values = floatsOf(bits);
    const wrong = [...toBFloat16(values).entries()].filter(
      ([i, got]) => !Number.isNaN(values[i]) && got !== encodeBits(values[i] as number, 'bfloat16'),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps NaN, also one whose payload is cut off', () => {
    const values = floatsOf(Uint32Array.of(0x7f800001, 0xff80ffff, 0x7fffffff, 0xffc00000));
    for (const bits of toBFloat16(values)) expect(bits & 0x7fff).toBeGreaterThan(0x7f80);
  });

  it('takes a part of a buffer', () => {
    const values = Float32Array.of(1, -2, 0.5, 4).subarray(1, 3);
    expect(toBFloat16(values)).toEqual(Uint16Array.of(0xc000, 0x3f00));
  });
});
