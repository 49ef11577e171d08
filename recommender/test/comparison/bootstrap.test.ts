import { pruningRate, pruningRows } from 'fused-bear-loss/decoding';
import { SeededRandom } from '../../../test/support/random';
import { bootstrapDifference, bootstrapInterval } from '../../src/comparison/bootstrap';

const normals = (seed: number, count: number, mean = 0) => Array.from(new SeededRandom(seed).normals(count, 1, mean));

describe('bootstrapInterval', () => {
  it('has about the width of the normal interval of a mean', () => {
    const rows = normals(1, 400, 3);
    const { estimate, low, high } = bootstrapInterval(rows);
    const mean = rows.reduce((sum, value) => sum + value, 0) / 400;
    const deviation = Math.sqrt(rows.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 400);
    expect(estimate).toBeCloseTo(mean, 12);
    expect((high - low) / (2 * 1.96 * (deviation / 20))).toBeGreaterThan(0.9);
    expect((high - low) / (2 * 1.96 * (deviation / 20))).toBeLessThan(1.1);
  });

  it('holds the true mean about as often as it says', () => {
    let held = 0;
    for (let run = 0; run < 200; ++run) {
      const { low, high } = bootstrapInterval(normals(100 + run, 50), { samples: 300, seed: run, confidence: 0.9 });
      if (low <= 0 && high >= 0) held++;
    }
    expect(held).toBeGreaterThan(160);
    expect(held).toBeLessThan(196);
  });

  it('gives the same for the same seed, and another for another', () => {
    const rows = normals(2, 30);
    expect(bootstrapInterval(rows, { seed: 5 })).toEqual(bootstrapInterval(rows, { seed: 5 }));
    expect(bootstrapInterval(rows, { seed: 5 })).not.toEqual(bootstrapInterval(rows, { seed: 6 }));
  });

  it('is wider where rows of a cluster are alike', () => {
    const ofUsers = normals(3, 40);
    const rows = ofUsers.flatMap((value) => [value, value, value, value]);
    const clusters = ofUsers.flatMap((_, user) => Array<string>(4).fill(`user ${user}`));
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    const clustered = bootstrapInterval(rows, { clusters });
    expect(clustered.estimate).toBeCloseTo(bootstrapInterval(rows).estimate, 12);
    expect(width(clustered) / width(bootstrapInterval(rows))).toBeCloseTo(2, 0);
    // Four equal rows of a user are one row of that user.
    expect(width(clustered)).toBeCloseTo(width(bootstrapInterval(ofUsers)), 10);
  });

  it('takes ratios of sums, as the pruning rate is', () => {
    const [exact, beam] = [
      [0, 3, 9, 10, -1, 2],
      [1, -1, 10, 2, 0, 2],
    ];
    const rows = pruningRows(exact as number[], beam as number[], 10);
    const { estimate, low, high } = bootstrapInterval(rows);
    expect(estimate).toBe(pruningRate(exact as number[], beam as number[], 10).rate);
    expect([low >= 0, high <= 1, low < estimate, estimate < high]).toEqual([true, true, true, true]);
    expect(bootstrapInterval({ numerators: [0, 0], denominators: [0, 0] })).toEqual({ estimate: 0, low: 0, high: 0 });
  });
});

describe('bootstrapDifference', () => {
  it('cancels what the rows have in common', () => {
    const b = normals(4, 60, 10);
    const a = b.map((value) => value + 0.5);
    const { difference, relative } = bootstrapDifference(a, b);
    for (const value of Object.values(difference)) expect(value).toBeCloseTo(0.5, 10);
    expect(relative.estimate).toBeCloseTo(0.5 / (b.reduce((sum, value) => sum + value, 0) / 60), 10);
    const unpaired = bootstrapInterval(b);
    expect(difference.high - difference.low).toBeLessThan((unpaired.high - unpaired.low) / 1000);
  });

  it('excludes 0 for what differs, and holds it for what does not', () => {
    const b = normals(5, 200);
    const better = bootstrapDifference(
      b.map((value, row) => value + 0.5 + 0.5 * Math.sin(row)),
      b,
    ).difference;
    expect(better.low).toBeGreaterThan(0);
    const same = bootstrapDifference(
      b.map((value, row) => value + Math.sin(row)),
      b,
    ).difference;
    expect([same.low < 0, same.high > 0]).toEqual([true, true]);
  });

  it('compares ratios with denominators of their own', () => {
    const a = { numerators: [1, 0, 0, 1], denominators: [1, 1, 1, 1] };
    const b = { numerators: [1, 0, 0, 1], denominators: [1, 0, 0, 1] };
    const { difference, relative } = bootstrapDifference(a, b);
    expect([difference.estimate, relative.estimate]).toEqual([-0.5, -0.5]);
    expect(bootstrapDifference([1, 2], [0, 0]).relative.estimate).toBeNaN();
  });

  it.each([
    ['no rows', () => bootstrapInterval([]), 'rows'],
    ['clusters of another length', () => bootstrapInterval([1, 2], { clusters: [1] }), 'clusters'],
    ['denominators of another length', () => bootstrapInterval({ numerators: [1], denominators: [] }), 'denominators'],
    ['rows of another length', () => bootstrapDifference([1], [1, 2]), 'b'],
    ['a row that is no number', () => bootstrapInterval([1, Number.NaN]), 'rows'],
    ['an infinite denominator', () => bootstrapInterval({ numerators: [1], denominators: [Infinity] }), 'denominators'],
    ['no samples', () => bootstrapInterval([1], { samples: 0 }), 'samples'],
    ['a confidence of 1', () => bootstrapInterval([1], { confidence: 1 }), 'confidence'],
  ])('refuses %s', (_, call, argument) => {
    expect(call).toThrow(new RegExp(`^${argument}: expected `));
  });
});
