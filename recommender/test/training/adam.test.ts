import { AdamW } from '../../src/training/adam';

const one = (value: number) => ({ w: { data: Float32Array.of(value), shape: [1] } });

describe('AdamW', () => {
  it('moves a parameter by the learning rate against the sign of its first gradient, and decays it', () => {
    const parameters = one(2);
    new AdamW({ weightDecay: 0.5 }).update(parameters, { w: Float32Array.of(-7) }, 0.1);
    expect(parameters.w.data[0]).toBeCloseTo(2 + 0.1 - 0.1 * 0.5 * 2, 6);
  });

  it('does not decay what it is told not to', () => {
    const parameters = one(2);
    const undecayed = new Set(['w']);
    new AdamW({ weightDecay: 0.5, undecayed }).update(parameters, { w: Float32Array.of(-7) }, 0.1);
    expect(parameters.w.data[0]).toBeCloseTo(2 + 0.1, 6);
  });

  it('follows the formula over several steps', () => {
    const parameters = one(1);
    const optimizer = new AdamW({ weightDecay: 0, beta1: 0.9, beta2: 0.99 });
    let [weight, mean, square] = [1, 0, 0];
    [3, -1, 0.5].forEach((slope, step) => {
      optimizer.update(parameters, { w: Float32Array.of(slope) }, 0.01);
      mean = 0.9 * mean + 0.1 * slope;
      square = 0.99 * square + 0.01 * slope * slope;
      const [first, second] = [mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.99 ** (step + 1))];
      weight -= (0.01 * first) / (Math.sqrt(second) + 1e-8);
      expect(parameters.w.data[0]).toBeCloseTo(weight, 6);
    });
    expect(optimizer.steps).toBe(3);
  });

  it('refuses a gradient of another size', () => {
    expect(() => new AdamW().update(one(1), { w: new Float32Array(2) }, 0.1)).toThrow(
      'no gradient of the right size for w',
    );
  });
});
