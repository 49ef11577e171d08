import {
  type ComparisonSummary,
  chooseOnValidation,
  summarize,
  type VariantSummary,
} from '../../src/comparison/summary';
import type { SplitName } from '../../src/data/protocols';
import { madeUpComparison } from '../support/comparison';

const SECOND_RANK = 1 / Math.log2(3);

function variant({ variants }: ComparisonSummary, name: string): VariantSummary {
  return variants.find((each) => each.name === name) as VariantSummary;
}

describe('summarize', () => {
  const summary = summarize(madeUpComparison());

  it('pools the rows of all seeds', () => {
    const figures = variant(summary, 'hinge,lambda=1').figures.validation;
    expect(figures?.hitRatio[0]?.estimate).toBeCloseTo(3 / 8);
    expect(figures?.ndcg[0]?.estimate).toBeCloseTo((2 + SECOND_RANK) / 8);
    expect(figures?.exactNdcg?.estimate).toBeCloseTo((1 + SECOND_RANK + 0.5) / 4);
    expect(figures?.pruning).toMatchObject({ pruned: 3, eligible: 6, rate: { estimate: 0.5 } });
  });

  it('compares with MSL on the same rows, over all seeds and seed by seed', () => {
    const difference = variant(summary, 'hinge,lambda=1').figures.validation?.difference;
    expect(difference?.ndcg.estimate).toBeCloseTo(SECOND_RANK / 8);
    expect(difference?.ndcgBySeed).toEqual([expect.closeTo(SECOND_RANK / 4), 0]);
    expect(difference?.pruningRate.estimate).toBeCloseTo(3 / 4 - 1);
    expect(difference?.pruningRateBySeed).toEqual([expect.closeTo(-0.5), 0]);
    expect(variant(summary, 'msl').figures.validation?.difference).toBeUndefined();
  });

  it('resamples whole users: only one of the two has a hit, so the interval reaches from none to its share', () => {
    // User 7 has 3 hits in 4 rows, user 8 none. Rows by themselves would hardly ever all be those of one user.
    expect(variant(summary, 'hinge,lambda=1').figures.validation?.hitRatio[0]).toMatchObject({ low: 0, high: 0.75 });
  });

  it('has baselines, which have no beam', () => {
    expect(summary.baselines).toHaveLength(1);
    expect(summary.baselines[0]?.figures.test?.hitRatio[0]?.estimate).toBe(0.25);
    expect(summary.baselines[0]?.figures.test).not.toHaveProperty('pruning');
  });

  it('counts by decision the items that the beam should have found', () => {
    // The row that is not among the exact best is dropped, too, but does not count.
    expect(variant(summary, 'msl').steps.validation).toEqual([
      { step: 0, present: 6, pruned: 2, share: 1 / 3 },
      { step: 1, present: 4, pruned: 2, share: 0.5 },
    ]);
  });

  it('follows training as long as every seed was trained', () => {
    const [first, second, ...more] = variant(summary, 'msl').training;
    expect(first).toEqual({
      epoch: 1,
      validationNdcg: { mean: expect.closeTo(0.15), low: 0.1, high: 0.2 },
      crossEntropy: { mean: 1, low: 1, high: 1 },
      prunedRate: { mean: 0, low: 0, high: 0 },
    });
    expect(second).toMatchObject({ epoch: 2, validationNdcg: { mean: expect.closeTo(0.3), low: 0.2, high: 0.4 } });
    expect(more).toEqual([]);
  });

  it('adds up the margins of the seeds and takes the time of the median epoch', () => {
    const { marginsBefore, marginsAfter, time } = variant(summary, 'msl');
    expect(marginsBefore).toMatchObject({ counts: [[2, 6]], decisions: [8], pruned: [6] });
    expect(marginsAfter).toMatchObject({ counts: [[6, 2]], decisions: [8], pruned: [2] });
    expect(time).toEqual({ loss: 50, rest: 950 });
  });

  it('has the cutoffs of the protocol, and none beyond the beam', () => {
    const of = (split: SplitName, beamWidth: number) => {
      const comparison = madeUpComparison();
      return summarize({ ...comparison, options: { ...comparison.options, split, beamWidth } });
    };
    expect([summary.cutoffs, summary.k]).toEqual([[3], 3]);
    expect(of('user', 10)).toMatchObject({ cutoffs: [5, 10], k: 10 });
    const { cutoffs, k, variants } = of('leave-one-out', 20);
    expect([cutoffs, k]).toEqual([[10, 20], 10]);
    expect(variants[0]?.figures.test?.hitRatio).toHaveLength(2);
  });

  it('leaves the test rows alone when asked to', () => {
    const { variants, baselines } = summarize(madeUpComparison(), ['validation']);
    for (const { figures } of [...variants, ...baselines]) expect(Object.keys(figures)).toEqual(['validation']);
    for (const { steps } of variants) expect(Object.keys(steps)).toEqual(['validation']);
  });

  it('compares nothing where MSL was not run', () => {
    const comparison = madeUpComparison();
    comparison.variants = comparison.variants.filter(({ name }) => name !== 'msl');
    const alone = summarize(comparison);
    expect(alone.variants[0]?.figures.validation).not.toHaveProperty('difference');
    expect(alone.chosen).toBeUndefined();
  });
});

describe('the choice of a setting', () => {
  it('sees the validation rows only: what is better there is chosen, though it is worse on the test rows', () => {
    const summary = summarize(madeUpComparison());
    expect(variant(summary, 'hinge,lambda=1').figures.test?.difference?.pruningRate.estimate).toBeGreaterThan(0);
    expect(summary.chosen).toBe('hinge,lambda=1');
  });

  const at = (estimate: number) => ({ estimate, low: estimate, high: estimate });
  const candidate = (name: string, ndcg: number, pruningRate: number) => ({
    name,
    figures: {
      validation: {
        hitRatio: [at(0)],
        ndcg: [at(0)],
        difference: { ndcg: at(ndcg), ndcgBySeed: [], pruningRate: at(pruningRate), pruningRateBySeed: [] },
      },
    },
  });

  it('takes the lowest pruning rate of those that rank no worse', () => {
    const candidates = [candidate('a', 0.001, -0.1), candidate('b', 0, -0.3), candidate('c', -0.001, -0.5)];
    expect(chooseOnValidation(candidates)).toBe('b');
  });

  it('takes none where the rate falls with the ranking only', () => {
    expect(chooseOnValidation([candidate('a', 0.01, 0.1), candidate('b', -0.01, -0.3)])).toBeUndefined();
  });
});
