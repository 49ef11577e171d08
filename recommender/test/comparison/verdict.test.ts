import type { Comparison } from '../../src/comparison/comparison';
import { summarize } from '../../src/comparison/summary';
import { verdictOf } from '../../src/comparison/verdict';
import { madeUpComparison } from '../support/comparison';

function sentencesOf(change: (comparison: Comparison) => void) {
  const comparison = madeUpComparison();
  change(comparison);
  return verdictOf(summarize(comparison));
}

/** The only variant, as `train` has it. */
function alone(comparison: Comparison): void {
  comparison.variants = [{ name: 'this model', results: comparison.variants[0]?.results ?? [] }];
}

describe('the verdict', () => {
  it('compares the model with the best baseline, and says what the search loses', () => {
    const { countingWins, sentences } = sentencesOf(alone);
    expect(countingWins).toBe(false);
    expect(sentences).toEqual([
      'The model ranks better than counting: NDCG@3 0.4077 against 0.2500 of "popularity", the best baseline, on 4 test rows.',
      'Beam search of width 3 loses 33.3 % of the items that it should find (2 of 6).',
    ]);
  });

  it('says so where counting ranks as well, or better', () => {
    const better = sentencesOf((comparison) => {
      alone(comparison);
      comparison.test.baselines = [
        { name: 'popularity', ranks: [-1, -1, -1, -1] },
        { name: 'item-to-item counts', ranks: [0, 0, -1, -1] },
      ];
    });
    expect(better.countingWins).toBe(true);
    expect(better.sentences[0]).toMatch(
      /^Counting ranks as well as the model, or better: NDCG@3 0\.4077 against 0\.5000 of "item-to-item counts", the best /,
    );
    const equal = sentencesOf((comparison) => {
      alone(comparison);
      comparison.seeds = [1];
      comparison.variants[0]?.results.splice(1);
      comparison.test.baselines = [
        { name: 'popularity', ranks: comparison.variants[0]?.results[0]?.test.beamRanks ?? [] },
      ];
    });
    expect(equal.countingWins).toBe(true);
  });

  it('takes the best on the validation rows, and reports its test rows', () => {
    // On the test rows it is the worse of the two.
    expect(sentencesOf(() => {}).sentences).toEqual([
      'Counting ranks as well as "hinge,lambda=1", the best on the validation rows, or better: NDCG@3 0.2500 against 0.2500 of ' +
        '"popularity", the best baseline, on 4 test rows.',
      expect.stringMatching(
        /^The validation rows choose "hinge,lambda=1" over msl: on the test rows the share of items that beam search loses changes by \+100 % \(95 % interval .+ to .+\), and NDCG@3 by -0\.1577 \(95 % interval -[\d.]+ to \+?[\d.]+\)\.$/,
      ),
    ]);
  });

  it('says where the validation rows choose nothing, and what MSL loses', () => {
    const { sentences } = sentencesOf((comparison) =>
      comparison.variants.reverse()[0]?.results.forEach((result) => {
        result.validation = { ...result.validation, beamRanks: [-1, -1, -1, -1] };
      }),
    );
    expect(sentences[1]).toBe(
      'The validation rows choose no other loss than msl, with which beam search of width 3 loses 33.3 % of the items that it should ' +
        'find (2 of 6).',
    );
  });

  it('does not look at the test rows while settings are being chosen', () => {
    const { sentences } = verdictOf(summarize(madeUpComparison(), ['validation']));
    expect(sentences.join(' ')).not.toContain('test rows');
    expect(sentences[0]).toMatch(/on 4 validation rows\.$/);
  });

  it('does not divide by no items', () => {
    const { sentences } = sentencesOf((comparison) => {
      alone(comparison);
      for (const { test } of comparison.variants[0]?.results ?? []) test.exactRanks = [-1, -1, -1, -1];
    });
    expect(sentences[1]).toBe('Beam search of width 3 had no items to find.');
  });
});
