import fc from 'fast-check';
import { hitRatioAt, meanReciprocalRank, ndcgAt, pruningRate, rankOfItem } from '../../lib/decoding/index';

describe('ranking metrics', () => {
  const ranks = [0, 2, -1, 9, 10];

  it('HitRatio@k is the share of ranks below k', () => {
    expect(hitRatioAt(ranks, 1)).toBe(1 / 5);
    expect(hitRatioAt(ranks, 3)).toBe(2 / 5);
    expect(hitRatioAt(ranks, 10)).toBe(3 / 5);
    expect(hitRatioAt(Int32Array.from(ranks), 11)).toBe(4 / 5);
  });

  it('NDCG@k gives the reciprocal of log2(rank + 2)', () => {
    expect(ndcgAt(ranks, 1)).toBe(1 / 5);
    expect(ndcgAt(ranks, 3)).toBeCloseTo((1 + 1 / 2) / 5, 15);
    expect(ndcgAt(ranks, 10)).toBeCloseTo((1 + 1 / 2 + 1 / Math.log2(11)) / 5, 15);
  });

  it('MRR is the mean of 1 / (rank + 1), 0 for what is not there', () => {
    expect(meanReciprocalRank(ranks)).toBeCloseTo((1 + 1 / 3 + 1 / 10 + 1 / 11) / 5, 15);
    expect(meanReciprocalRank(ranks, 10)).toBeCloseTo((1 + 1 / 3 + 1 / 10) / 5, 15);
    expect(meanReciprocalRank([])).toBe(0);
  });

  // The authors' evaluation, as its formula is written: over the predicted titles of each row, a hit where the title is
  // the target's, at most one a row.
  it('HitRatio and NDCG are those of the authors on titles', () => {
    const titles = fc.constantFrom('"a"', '"b"', '"c"', '"d"', '"e"', '"f"', '""');
    const row = fc.record({ predicted: fc.uniqueArray(titles, { maxLength: 7 }), target: titles });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), fc.constantFrom(1, 3, 5, 10), (rows, k) => {
        let [hits, gain] = [0, 0];
        for (const { predicted, target } of rows) {
          for (let r = 0; r < Math.min(k, predicted.length); r++) {
            if (predicted[r] !== target) continue;
            hits += 1;
            gain += 1 / Math.log2(r + 2);
          }
        }
        const some = rows.map(({ predicted, target }) => predicted.indexOf(target));
        expect(hitRatioAt(some, k)).toBeCloseTo(hits / rows.length, 14);
        expect(ndcgAt(some, k)).toBeCloseTo(gain / rows.length, 14);
      }),
    );
  });

  it('no rows give 0, never NaN', () => {
    expect([hitRatioAt([], 5), ndcgAt([], 5), pruningRate([], [], 5).rate]).toEqual([0, 0, 0]);
  });

  it('both rise with k, and NDCG never exceeds HitRatio', () => {
    const anyRanks = fc.array(fc.integer({ min: -1, max: 30 }), { minLength: 1 });
    fc.assert(
      fc.property(anyRanks, fc.integer({ min: 1, max: 30 }), (some, k) => {
        expect(hitRatioAt(some, k + 1)).toBeGreaterThanOrEqual(hitRatioAt(some, k));
        expect(ndcgAt(some, k + 1)).toBeGreaterThanOrEqual(ndcgAt(some, k));
        expect(ndcgAt(some, k)).toBeLessThanOrEqual(hitRatioAt(some, k));
      }),
    );
  });

  it('the pruning rate counts rows within the exact top B only', () => {
    //            eligible and found, eligible and pruned (twice), not eligible (twice)
    const exact = [0, 3, 9, 10, -1];
    const found = [1, -1, 10, 2, 0];
    expect(pruningRate(exact, found, 10)).toEqual({ rate: 2 / 3, pruned: 2, eligible: 3 });
    expect(pruningRate(exact, found, 1)).toEqual({ rate: 1, pruned: 1, eligible: 1 });
    expect(pruningRate([5], [0], 2)).toEqual({ rate: 0, pruned: 0, eligible: 0 });
  });

  it('a hit is any item of the place', () => {
    const place = (...items: number[]) => ({ items: Int32Array.from(items), leaf: 0, score: 0, logProbability: 0 });
    const ranking = [place(4), place(2, 9), place(1)];
    expect([9, 2, 1, 5].map((item) => rankOfItem(ranking, item))).toEqual([1, 1, 2, -1]);
  });

  it.each([
    ['a k of 0', () => hitRatioAt([0], 0), 'ERR_BEAR_OPTION_VALUE', 'k'],
    ['a broken k', () => ndcgAt([0], 1.5), 'ERR_BEAR_OPTION_VALUE', 'k'],
    ['a rank of -2', () => hitRatioAt([0, -2], 1), 'ERR_BEAR_RANK', 'ranks'],
    ['a rank that is not a number', () => ndcgAt([Number.NaN], 1), 'ERR_BEAR_RANK', 'ranks'],
    ['ranks of different length', () => pruningRate([0, 1], [0], 5), 'ERR_BEAR_SHAPE', 'beamRanks'],
    ['a bad rank of a row that is not eligible', () => pruningRate([-1], [-3], 5), 'ERR_BEAR_RANK', 'beamRanks'],
  ])('refuses %s', (_, call, code, argument) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});
