import { join } from 'node:path';
import { syntheticDataset } from '../../src/data/synthetic-data';
import { type TitleCodes, titleCodes } from '../../src/data/title-codes';
import { titleVectors } from '../../src/data/title-vectors';
import { openTrainedRun, recommend } from '../../src/training/recommend';
import { run } from '../../src/training/run';
import { digestOf } from '../../src/training/run-data';
import { describeWorkbench, openWorkbench } from '../../src/training/workbench';
import { contentOf, openTinyWorkbench, TINY_DATASET, TINY_RUN, withFolder } from '../support/recommender';

const row = (user: number, ...items: number[]) => ({
  user,
  history: items.slice(0, -1),
  target: items.at(-1) as number,
  time: user,
});

function byItem(titles: ReadonlyMap<number, string>, codes: TitleCodes): Map<number, number[]> {
  return new Map([...titles].map(([item, title]) => [item, codes.get(title) as number[]]));
}

function cosine(a: Float64Array, b: Float64Array): number {
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, number, k) => sum + number * (y[k] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('titleVectors', () => {
  const titles = new Map([
    [1, 'Alder Gel Pen, Blue'],
    [2, 'Alder Gel Pen, Red'],
    [3, 'Cobalt Desk Lamp'],
    [4, 'Paper Shredder'],
    [5, ''],
    [6, 'Paper Shredder'],
  ]);
  const similarity = (vectors: Map<string, Float64Array>, a: number, b: number) =>
    cosine(vectors.get(titles.get(a) as string) as Float64Array, vectors.get(titles.get(b) as string) as Float64Array);

  it('is near for titles with the same words', () => {
    const vectors = titleVectors(titles, []);
    expect(vectors.size).toBe(5);
    expect(similarity(vectors, 1, 2)).toBeGreaterThan(0.15 + similarity(vectors, 1, 3));
    expect(vectors.get('')?.every((coordinate) => coordinate === 0)).toBe(true);
  });

  it('is near for titles that were bought together, whichever item of a title it was', () => {
    const train = [row(1, 3, 4), row(2, 3, 6), row(3, 1, 5)];
    const [without, within] = [titleVectors(titles, []), titleVectors(titles, train)];
    expect(similarity(within, 3, 4)).toBeGreaterThan(0.3 + similarity(without, 3, 4));
    for (const vector of within.values()) expect(vector.every(Number.isFinite)).toBe(true);
  });
});

it('has one decision among all titles where each has one token', async () => {
  const { catalogue, codes } = await openWorkbench(TINY_DATASET, { split: 'user', itemTokens: 'items' });
  expect(codes?.size).toBe(30);
  expect(catalogue.trie.leafCount).toBe(30);
  expect(catalogue.choices.map((path) => path.map(({ node }) => node))).toEqual(Array(30).fill([0]));
});

describe('a run that writes short codes', () => {
  it('takes them from the training rows only', async () => {
    const dataset = syntheticDataset({ items: 60, users: 20, purchases: 7 }, 5);
    const { split, codes } = await openWorkbench(dataset, { split: 'user', itemTokens: 'codes' });
    expect(codes).toEqual(byItem(dataset.titles, titleCodes(dataset.titles, split.train)));
    expect(codes).not.toEqual(byItem(dataset.titles, titleCodes(dataset.titles, dataset.rows)));
    // Other validation and test rows, the same codes.
    const strangers = new Set([...split.validation, ...split.test].map(({ user }) => user));
    const rows = dataset.rows.map((row) =>
      strangers.has(row.user) ? { ...row, target: 1, history: [2, 3, 4, 5] } : row,
    );
    const changed = await openWorkbench({ ...dataset, rows }, { split: 'user', itemTokens: 'codes' });
    expect(changed.split.test).not.toEqual(split.test);
    expect(changed.codes).toEqual(codes);
  });

  it('takes them from titles alone if told so', async () => {
    const options = { split: 'user', itemTokens: 'codes', codeSource: 'titles' } as const;
    const { codes, split } = await openWorkbench(TINY_DATASET, options);
    const { titles } = TINY_DATASET;
    expect(codes).toEqual(byItem(titles, titleCodes(titles, [])));
    expect(codes).not.toEqual(byItem(titles, titleCodes(titles, split.train)));
  });

  it('has a leaf for each title, reached by its code', async () => {
    const titles = new Map(TINY_DATASET.titles);
    titles.set(5, titles.get(6) as string);
    titles.set(9, '');
    const options = { split: 'user', itemTokens: 'codes' } as const;
    const { catalogue, codes } = await openWorkbench({ ...TINY_DATASET, titles }, options);
    const { trie, vocabulary, itemTokens, indexOf } = catalogue;
    expect(new Set([...(codes?.values() ?? [])].map(String)).size).toBe(29);
    expect([...trie.items(trie.leafOf(5))]).toEqual([5, 6]);
    for (const item of titles.keys()) {
      const tokens = itemTokens[indexOf.get(item) as number] as number[];
      expect(vocabulary.decode(tokens)).toEqual(codes?.get(item));
      expect(trie.find(tokens)).toBe(trie.leafOf(item));
    }
  });

  it.each(['codes', 'items'] as const)('trains with %s, and recommends titles from its folder alone', (itemTokens) =>
    withFolder(async (root) => {
      const options = { ...TINY_RUN, itemTokens };
      const workbench = await openWorkbench(TINY_DATASET, options);
      expect(describeWorkbench(workbench)).toContain('tokens of codes');
      expect(digestOf(workbench)).not.toBe(digestOf(await openTinyWorkbench()));
      const folder = join(root, 'run');
      const { test, metrics } = await run(workbench, options, folder);
      expect(metrics.at(-1)?.loss).toBeLessThan(metrics[0]?.loss as number);
      expect(test.exactRanks).toHaveLength(workbench.split.test.length);
      const { model } = await openTrainedRun(folder);
      expect(model.catalogue.itemTokens).toEqual(workbench.catalogue.itemTokens);
      const history = TINY_DATASET.rows[0]?.history as number[];
      for (const { title, items, logProbability } of await recommend(model, { history, time: 0 }, 3)) {
        expect(title).toBe(TINY_DATASET.titles.get(items[0] as number));
        expect(logProbability).toBeLessThan(0);
      }
      const before = contentOf(folder);
      const resumed = run(await openTinyWorkbench(), TINY_RUN, folder, { resume: true });
      await expect(resumed).rejects.toThrow(`--item-tokens is ${itemTokens} there and titles here`);
      expect(contentOf(folder)).toEqual(before);
    }),
  );
});
