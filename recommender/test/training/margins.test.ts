import { type MarginHistogram, marginHistogram, marginQuantile } from '../../src/training/margins';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from '../support/recommender';

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('marginHistogram', () => {
  it('counts every decision once, where there are more choices than the beam is wide', async () => {
    const workbench = await openTinyWorkbench();
    const { catalogue } = workbench;
    const { counts, decisions, pruned } = await marginHistogram(tinyModel(workbench, 4), TINY_DATASET.rows, 3);
    const choices = TINY_DATASET.rows.map(
      ({ target }) => catalogue.choices[catalogue.indexOf.get(target) as number] ?? [],
    );
    const wide = (decision: number) =>
      choices.filter((path) => path[decision] && catalogue.trie.childCount(path[decision].node) > 3).length;
    expect(decisions[0]).toBe(wide(0));
    expect(decisions[1]).toBe(wide(1));
    expect(decisions[0]).toBeGreaterThan(0);
    for (const [decision, bins] of counts.entries()) {
      expect(sum(bins)).toBe(decisions[decision]);
      // Half of the bins are above 0.
      expect(sum(bins.slice(bins.length / 2))).toBeGreaterThanOrEqual(pruned[decision] as number);
    }
    expect(sum(pruned)).toBeGreaterThan(0);
    expect(sum(pruned)).toBeLessThan(sum(decisions));
  });

  it('leaves out decisions that cannot prune', async () => {
    const workbench = await openTinyWorkbench();
    const { decisions } = await marginHistogram(tinyModel(workbench, 4), TINY_DATASET.rows, 1000);
    expect(sum(decisions)).toBe(0);
  });
});

describe('marginQuantile', () => {
  const histogram: MarginHistogram = {
    binWidth: 2,
    from: -4,
    counts: [[4, 0, 0, 4], []],
    decisions: [8, 0],
    pruned: [4, 0],
  };

  it('is linear within a bin', () => {
    expect(marginQuantile(histogram, 0, 0.25)).toBe(-3);
    expect(marginQuantile(histogram, 0, 0.5)).toBe(-2);
    expect(marginQuantile(histogram, 0, 0.75)).toBe(3);
  });

  it('is NaN where there are no decisions', () => {
    expect(marginQuantile(histogram, 1, 0.5)).toBeNaN();
  });
});
