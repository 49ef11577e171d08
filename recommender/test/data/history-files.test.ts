import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDataset } from '../../src/data/dataset-files';
import { splitDataset } from '../../src/data/splits';
import { describeWorkbench, openWorkbench } from '../../src/training/workbench';
import { describeWithData } from '../support/shared-data';

const CODES = Object.fromEntries(Array.from({ length: 30 }, (_, item) => [item, [`<a_${item % 7}>`, `<b_${item}>`]]));
const LONG = Array.from({ length: 25 }, (_, item) => item);
const HISTORIES = { 8: [3, 1, 2, 5, 4], 11: LONG };
const TITLES = Object.fromEntries(Object.keys(CODES).map((item) => [item, { title: `Pen ${item}`, brand: 'Alder' }]));

describe('loadDataset of a folder with histories', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'recommender-data-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function write(files: Readonly<Record<string, unknown>>): string {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, name), JSON.stringify(content, null, 1));
    }
    return folder;
  }

  const good = { 'Tiny.inter.json': HISTORIES, 'Tiny.index.rq-kmeans.json': CODES };

  it('has a row for each item of a history but the first, with at most 20 items before it', () => {
    const { rows, isUntimed, isUntitled, codes, titles } = loadDataset(write(good));
    expect(rows.filter(({ user }) => user === 8)).toEqual([
      { user: 8, history: [3], target: 1, time: -3, isNested: true },
      { user: 8, history: [3, 1], target: 2, time: -2, isNested: true },
      { user: 8, history: [3, 1, 2], target: 5, time: -1, isNested: true },
      { user: 8, history: [3, 1, 2, 5], target: 4, time: 0, isNested: true },
    ]);
    expect(rows.at(-1)).toMatchObject({ user: 11, history: LONG.slice(4, 24), target: 24, time: 0 });
    expect([isUntimed, isUntitled]).toEqual([true, true]);
    expect(codes?.get(9)).toHaveLength(2);
    expect(titles.get(9)).toBe('item 9');
  });

  it('reads titles where there are some, and needs no codes then', () => {
    const { titles, isUntitled } = loadDataset(write({ ...good, 'Tiny.item.json': TITLES }));
    expect([titles.get(9), isUntitled]).toEqual(['Pen 9', undefined]);
    rmSync(join(folder, 'Tiny.index.rq-kmeans.json'));
    expect(loadDataset(folder).codes).toBeUndefined();
  });

  it('takes the codes of another file where one is given', () => {
    const other = join(folder, 'other.json');
    write({ ...good, 'other.json': Object.fromEntries(Object.keys(CODES).map((item) => [item, ['x', item, 'y']])) });
    expect(loadDataset(folder, { codes: other }).codes?.get(9)).toHaveLength(3);
  });

  it.each([
    [
      'two sets of histories',
      { 'Other.inter.json': HISTORIES },
      /expected one file NAME\.inter\.json, got Other, Tiny|got Tiny, Other/,
    ],
    [
      'two sets of codes',
      { 'Tiny.index.json': CODES },
      /several files of codes \(.*Tiny\.index\.json.*\): --codes names one/,
    ],
    [
      'a history that is no list',
      { 'Tiny.inter.json': { 8: 'x' } },
      /inter\.json, line 2: the history of user 8 is not a list/,
    ],
    ['an empty history', { 'Tiny.inter.json': { 8: [] } }, /the history of user 8 is not a list of item ids/],
    ['an item that is no number', { 'Tiny.inter.json': { 8: [1, '2'] } }, /the history of user 8 is not a list/],
    ['a user that is no number', { 'Tiny.inter.json': { x: [1] } }, /expected whole numbers as user ids, got "x"/],
    ['an item without a code', { 'Tiny.inter.json': { 8: [1, 99] } }, /item 99 of user 8 is not in the catalogue/],
    ['no users', { 'Tiny.inter.json': {} }, /Tiny\.inter\.json: no users/],
    [
      'an item without a title',
      { 'Tiny.item.json': { ...TITLES, 3: {} } },
      /line \d+: the title of item 3 is not a string/,
    ],
    [
      'titles of fewer items than there are codes',
      { 'Tiny.item.json': { 1: { title: '' } } },
      /item 0 is not in the catalogue/,
    ],
  ])('refuses %s', (_, files, message) => {
    write({ ...good, ...files });
    expect(() => loadDataset(folder)).toThrow(message);
  });

  it('refuses histories of which nothing says what items there are', () => {
    write({ 'Tiny.inter.json': HISTORIES });
    expect(() => loadDataset(folder)).toThrow('neither Tiny.item.json nor Tiny.index.json says which items there are');
  });

  it('refuses to write or to make codes of titles that are not there', async () => {
    const dataset = loadDataset(write(good));
    const split = 'leave-one-out';
    await expect(openWorkbench(dataset, { split, itemTokens: 'titles' })).rejects.toThrow('no titles; train on codes');
    const { codes: _, ...uncoded } = dataset;
    await expect(openWorkbench(uncoded, { split, itemTokens: 'codes' })).rejects.toThrow('no titles to make codes of');
  });
});

// The figures of the data's README.
describeWithData('semantic-ids-office', (folder) => {
  const dataset = loadDataset(folder);

  it('has one test row and one validation row for each user, and the rest but the first items to train on', () => {
    const { train, validation, test } = splitDataset(dataset, { split: 'leave-one-out' });
    expect([validation.length, test.length]).toEqual([4905, 4905]);
    expect(train).toHaveLength(53_258 - 3 * 4905);
  });

  it('has 2,420 items and 2,415 codes, and says how many share one', async () => {
    const workbench = await openWorkbench(dataset, { split: 'leave-one-out', itemTokens: 'codes' });
    expect([workbench.catalogue.titles.size, workbench.catalogue.trie.leafCount]).toEqual([2420, 2415]);
    const shared = new Map<string, number>();
    for (const code of dataset.codes?.values() ?? []) shared.set(`${code}`, (shared.get(`${code}`) ?? 0) + 1);
    const sharing = [...shared.values()].filter((count) => count > 1).reduce((sum, count) => sum + count, 0);
    expect(describeWorkbench(workbench)).toContain(
      `Warning: ${sharing} items share a code with another; a hit on any of them is a hit.`,
    );
  });
});

describeWithData('semantic-ids-beauty', (folder) => {
  it('has codes, no titles, and the rows that its README counts', () => {
    const dataset = loadDataset(folder);
    expect([dataset.titles.size, dataset.codes?.size, dataset.isUntitled]).toEqual([12_101, 12_101, true]);
    const { train, test } = splitDataset(dataset, { split: 'leave-one-out' });
    expect([train.length, test.length]).toEqual([198_502 - 3 * 22_363, 22_363]);
  });
});
