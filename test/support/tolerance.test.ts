import { encodeBits } from './dtype';
import { expectClose, expectFloatGradient, expectRoundedGradient, gradientRowError } from './tolerance';

describe('the checks that the contract rests on', () => {
  it('measures a gradient error relative to the largest entry of the row', () => {
    expect(gradientRowError([0.5, 1e-3], [0.5, 2e-3]).error).toBeCloseTo(2e-3, 12);
  });

  it('lets nothing pass for NaN, infinity or an exact zero', () => {
    for (const [actual, expected] of [
      [NaN, 1],
      [1, NaN],
      [Infinity, 1],
      [Infinity, -Infinity],
      [1e-30, 0],
    ] as const) {
      expect(gradientRowError([1, actual], [1, expected]).error).toBe(Infinity);
    }
    expect(gradientRowError([1, -0, NaN], [1, 0, NaN]).error).toBe(0);
  });

  it('judges each row by itself', () => {
    const check = () => expectFloatGradient([1000, 0, 1e-3, 0], [1000, 0, 1.1e-3, 0], 2, 5e-6);
    expect(check).toThrow('gradient of row 1');
  });

  it('judges a smoothed row by the entries that cancelled in it, where those are given', () => {
    const check = (unsmoothed?: number[]) => () => expectFloatGradient([1e-4 + 3e-9], [1e-4], 1, 5e-6, unsmoothed);
    expect(check()).toThrow('error');
    expect(check([0.05])).not.toThrow();
    expect(check([1e-5])).toThrow('error');
  });

  it('refuses a 16-bit gradient that is two units away, and a stray number where the reference is 0', () => {
    const bits = encodeBits(0.3, 'bfloat16');
    const check = (stored: number, expected: number) => () =>
      expectRoundedGradient(Uint16Array.of(stored), [expected], 'bfloat16', 1, 0);
    expect(check(bits + 1, 0.3)).not.toThrow();
    expect(check(bits + 2, 0.3)).toThrow('2 units');
    expect(check(1, 0)).toThrow('1 units');
    expect(check(encodeBits(NaN, 'bfloat16'), 0.3)).toThrow('got NaN');
    expect(check(bits, NaN)).toThrow('reference NaN');
  });

  it('compares losses relative to max(1, |expected|) and infinities by sign', () => {
    expect(() => expectClose(1e-6, 0, 1e-5, 'loss')).not.toThrow();
    expect(() => expectClose(200.01, 200, 1e-5, 'loss')).toThrow('loss: got 200.01');
    expect(() => expectClose(NaN, 1, 1, 'loss')).toThrow();
    expect(() => expectClose(-Infinity, Infinity, 1, 'loss')).toThrow();
    expect(() => expectClose(Infinity, Infinity, 0, 'loss')).not.toThrow();
  });
});
