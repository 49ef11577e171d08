import { decisionLogits, meanEntropy, temperatureOfEntropy } from '../../src/training/entropy';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from '../support/recommender';

// Two decisions: of two choices that are e^2 apart, and of three that are equal.
const DECISIONS = { logits: Float32Array.of(1, 3, 5, 5, 5), offsets: Int32Array.of(0, 2, 5) };

describe('decisionLogits', () => {
  it('has a list for each decision on the way to each target, as long as there are choices', async () => {
    const workbench = await openTinyWorkbench();
    const { choices, indexOf, trie } = workbench.catalogue;
    const { logits, offsets } = await decisionLogits(tinyModel(workbench, 4), TINY_DATASET.rows);
    const nodes = TINY_DATASET.rows.flatMap(({ target }) =>
      (choices[indexOf.get(target) as number] ?? []).map(({ node }) => node),
    );
    expect([...offsets.subarray(1)].map((end, index) => end - (offsets[index] as number))).toEqual(
      nodes.map((node) => trie.childCount(node)),
    );
    expect(logits).toHaveLength(offsets.at(-1) as number);
    expect(new Set(logits).size).toBeGreaterThan(100);
  });

  it('gives one row what it gives that row among others', async () => {
    const workbench = await openTinyWorkbench();
    const model = tinyModel(workbench, 4);
    const [first, second] = TINY_DATASET.rows.slice(-2);
    const alone = await decisionLogits(model, [second as NonNullable<typeof second>]);
    const both = await decisionLogits(model, [first, second] as NonNullable<typeof second>[]);
    const end = [...both.logits.slice(-alone.logits.length)];
    expect(end.map((logit, index) => Math.abs(logit - (alone.logits[index] as number)) < 1e-5)).not.toContain(false);
  });
});

describe('meanEntropy', () => {
  const binary = (p: number) => -p * Math.log(p) - (1 - p) * Math.log(1 - p);

  it.each([0.5, 1, 4])('is the mean over decisions, at temperature %d', (temperature) => {
    const p = 1 / (1 + Math.exp(-2 / temperature));
    expect(meanEntropy(DECISIONS, temperature)).toBeCloseTo((binary(p) + Math.log(3)) / 2, 12);
  });

  it('is finite for logits that are far apart', () => {
    const far = { logits: Float32Array.of(-3e4, 3e4), offsets: Int32Array.of(0, 2) };
    expect(meanEntropy(far, 0.01)).toBe(0);
  });
});

describe('temperatureOfEntropy', () => {
  it.each([0.25, 0.8, 1, 3])('finds temperature %d again', (temperature) => {
    expect(temperatureOfEntropy(DECISIONS, meanEntropy(DECISIONS, temperature))).toBeCloseTo(temperature, 6);
  });

  it('refuses an entropy that no temperature gives', () => {
    expect(() => temperatureOfEntropy(DECISIONS, 2)).toThrow(
      /no temperature gives a mean entropy of 2.0000: it goes from/,
    );
    expect(() => temperatureOfEntropy(DECISIONS, Number.NaN)).toThrow(/no temperature/);
  });
});
