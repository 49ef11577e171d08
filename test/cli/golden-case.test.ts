import { computeGolden, GOLDEN, goldenProblem, weigh, wrongNumbers } from '../../lib/cli/golden-case';
import { bearLossReference } from '../reference/bear-loss-reference';

describe("doctor's golden case", () => {
  it('has the numbers of the float64 reference', () => {
    const { logits, targets, options } = goldenProblem();
    const { vocabSize, ...others } = options;
    const rows = Array.from(targets, (_, row) => logits.subarray(row * vocabSize, (row + 1) * vocabSize));
    const reference = bearLossReference(rows, targets, { ...others, reduction: 'none' });
    expect({
      losses: Array.from(reference.loss as Float64Array),
      thresholds: Array.from(reference.rows.threshold),
      ranks: Array.from(reference.rows.rank),
      gradients: rows.map((_, row) => weigh(reference.gradient.subarray(row * vocabSize, (row + 1) * vocabSize))),
    }).toEqual(GOLDEN);
    expect(reference.prunedRate).toBeCloseTo(2 / 3, 12);
  });

  it('finds nothing wrong with this build', () => {
    expect(wrongNumbers()).toEqual([]);
  });

  it.each([
    ['losses', 2, 18.2],
    ['losses', 0, Number.NaN],
    ['thresholds', 3, 1e-3],
    ['ranks', 0, 1],
    ['gradients', 1, 0.0764],
  ] as const)('finds a wrong %s[%i]', (what, row, value) => {
    const computed = computeGolden();
    computed[what][row] = value;
    expect(wrongNumbers(computed)).toEqual([expect.stringContaining(`${what}[${row}] is ${value}, not `)]);
  });
});
