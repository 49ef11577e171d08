import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCatalogue } from '../../src/data/catalogue';
import { readCodeIndex, tokenizeByCode, writeCodeIndex } from '../../src/data/code-index';
import { withFolder } from '../support/recommender';

const INDEX = { 4: ['<a_7>', '<b_0>'], 2: ['<a_1>', '<b_0>'], 9: ['<a_7>', '<b_3>'], 5: ['<a_7>', '<b_3>'] };

function readText(text: string, items?: number[]) {
  return withFolder((folder) => {
    const file = join(folder, 'Tiny.index.json');
    writeFileSync(file, text);
    return readCodeIndex(file, items);
  });
}

const read = (index: unknown, items?: number[]) => readText(JSON.stringify(index, null, 1), items);

describe('readCodeIndex', () => {
  it('gives each token a number, the same wherever it occurs', async () => {
    const codes = await read(INDEX);
    expect([...codes.keys()].sort()).toEqual([2, 4, 5, 9]);
    const [four, two, nine, five] = [4, 2, 9, 5].map((item) => codes.get(item) as number[]);
    expect(four?.[0]).toBe(nine?.[0]);
    expect(four?.[1]).toBe(two?.[1]);
    expect(nine).toEqual(five);
    expect(new Set([...codes.values()].flat()).size).toBe(4);
  });

  it('makes one leaf of items that share a code', async () => {
    const codes = await read(INDEX);
    const titles = new Map([...codes.keys()].map((item) => [item, `item ${item}`]));
    const { trie, itemsWithSharedLeaf } = await buildCatalogue(titles, tokenizeByCode(codes));
    expect(trie.leafCount).toBe(3);
    expect([...trie.items(trie.leafOf(5))]).toEqual([5, 9]);
    expect(itemsWithSharedLeaf).toBe(2);
  });

  it('refuses a catalogue of one code', async () => {
    const codes = await read({ 1: ['a'], 2: ['a'] });
    const titles = new Map([
      [1, 'Pen'],
      [2, 'Pad'],
    ]);
    await expect(buildCatalogue(titles, tokenizeByCode(codes))).rejects.toThrow('all 2 items have one code');
  });

  it.each([
    [
      'codes of unequal length',
      { ...INDEX, 9: ['<a_7>'] },
      /line \d+: codes of unequal length: that of item 9 has 1 tokens, that of item 2 2$/,
    ],
    ['an empty code', { 1: [] }, /line 2: the code of item 1 is not a list of tokens/],
    ['a code that is no list', { 1: '<a_1>' }, /line 2: the code of item 1 is not a list of tokens/],
    ['a token that is no string', { 1: ['<a_1>', 2] }, /line 2: the code of item 1 is not a list of tokens/],
    ['an item that is no number', { pen: ['<a_1>'] }, /line 2: expected whole numbers as item ids, got "pen"/],
    ['no items', {}, /index\.json: no items$/],
    ['a list', [['<a_1>']], /expected an object from item id to a list of tokens/],
  ])('refuses %s', async (_, index, message) => {
    await expect(async () => read(index)).rejects.toThrow(message);
  });

  it('refuses what is not JSON, by file and line', async () => {
    await expect(async () => readText('{\n"1": ["<a_1>"],\n"2": [}')).rejects.toThrow(/index\.json, line 3: not JSON/);
  });

  it('refuses items that the catalogue does not have, and items of the catalogue without a code', async () => {
    await expect(async () => read(INDEX, [2, 4, 9])).rejects.toThrow(/line \d+: item 5 is not in the catalogue/);
    await expect(async () => read(INDEX, [2, 4, 5, 6, 9])).rejects.toThrow(/: there is no code for item 6$/);
    await expect(async () => read(INDEX, [2, 4, 5, 6, 8, 9])).rejects.toThrow(/for item 6 \(and 1 others\)$/);
  });
});

describe('writeCodeIndex', () => {
  const write = (codes: ReadonlyMap<number, readonly number[]>) =>
    withFolder((folder) => {
      const file = join(folder, 'made.index.json');
      writeCodeIndex(file, codes);
      return { content: JSON.parse(readFileSync(file, 'utf8')), again: readCodeIndex(file, codes.keys()) };
    });

  it('names tokens by level and place, and reads them again as the same tree', async () => {
    const codes = new Map([
      [1, [0, 32]],
      [2, [3, 32]],
      [3, [3, 40]],
      [4, [3, 40]],
    ]);
    const { content, again } = await write(codes);
    expect(content).toEqual({
      1: ['<a_0>', '<b_0>'],
      2: ['<a_1>', '<b_0>'],
      3: ['<a_1>', '<b_1>'],
      4: ['<a_1>', '<b_1>'],
    });
    expect([again.get(3), again.get(1)?.[1]]).toEqual([again.get(4), again.get(2)?.[1]]);
  });

  it('fills up codes that end early with a token that no other has there', async () => {
    const { content } = await write(
      new Map([
        [1, [0, 5]],
        [2, [1]],
      ]),
    );
    expect(content).toEqual({ 1: ['<a_0>', '<b_1>'], 2: ['<a_1>', '<b_0>'] });
  });

  it('refuses codes of more levels than there are letters', async () => {
    await expect(async () => write(new Map([[1, Array.from({ length: 27 }, (_, token) => token)]]))).rejects.toThrow(
      'codes: expected at most 26 tokens each, got 27',
    );
  });
});
