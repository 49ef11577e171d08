import {
  bitmaskOf,
  catalogueFolder,
  catalogueLists,
  drawnLists,
  type Lists,
  meanLength,
} from '../../benchmarks/suites/lists';

function listsOf({ offsets, tokens, targets }: Lists): number[][] {
  return Array.from(targets, (_, row) => [...tokens.subarray(offsets[row], offsets[row + 1])]);
}

function expectValid(lists: Lists, vocabSize: number): void {
  expect(lists.offsets).toHaveLength(lists.targets.length + 1);
  listsOf(lists).forEach((list, row) => {
    expect(list).toEqual([...new Set(list)].sort((a, b) => a - b));
    expect(list[0]).toBeGreaterThanOrEqual(0);
    expect(list.at(-1)).toBeLessThan(vocabSize);
    expect(list).toContain(lists.targets[row]);
  });
}

describe('the lists of the benchmark', () => {
  it.each([1, 10, 1000])('that are drawn have %s tokens each, the target among them', (length) => {
    const lists = drawnLists(5, 1000, length);
    expectValid(lists, 1000);
    expect(meanLength(lists)).toBe(length);
  });

  it('say the same as a bitmask', () => {
    const lists = drawnLists(3, 70, 7);
    const bits = bitmaskOf(lists, 70);
    const read = Array.from({ length: 3 }, (_, row) =>
      Array.from({ length: 70 }, (__, token) => token).filter(
        (token) => ((bits[row * 3 + (token >> 5)] as number) >>> (token & 31)) & 1,
      ),
    );
    expect(read).toEqual(listsOf(lists));
  });

  const folder = catalogueFolder('amazon-office');
  (folder === undefined ? it.skip : it)('of a catalogue are the children of nodes of its trie', async () => {
    const lists = await catalogueLists(folder as string, 128, 'all');
    expectValid(lists, 128256);
    // Titles begin with 24 tokens; most later ones are forced.
    expect(listsOf(lists)[0]).toHaveLength(24);
    expect(listsOf(lists).filter((list) => list.length === 1).length).toBeGreaterThan(64);
    const choices = await catalogueLists(folder as string, 128, 'choices');
    expect(Math.min(...listsOf(choices).map((list) => list.length))).toBe(2);
    const longest = await catalogueLists(folder as string, 128, 'longest');
    expect(new Set(listsOf(longest).map((list) => list.length))).toEqual(new Set([265]));
  });
});
