import { TokenTrie } from 'fused-bear-loss/decoding';
import { baselineRanks, itemToItem, popularity, recentPopularity, type Scorer } from '../../src/training/baselines';

// Items 4 and 5 have the same title.
const trie = TokenTrie.fromSequences([[1], [2], [3], [4], [4]], [1, 2, 3, 4, 5]);
const train = [
  { user: 1, history: [1, 2], target: 3, time: 10 },
  { user: 2, history: [3, 2], target: 3, time: 20 },
  { user: 3, history: [2, 1], target: 4, time: 30 },
  { user: 4, history: [2, 1], target: 5, time: 40 },
];
const rank = (scorer: Scorer, history: number[], target: number, time = 50) =>
  baselineRanks(scorer, [{ user: 9, history, target, time }], trie)[0];

describe('baselines', () => {
  it('popularity ranks by the number of times that an item was the target, items of one title together', () => {
    const scorer = popularity(train);
    expect(rank(scorer, [1], 3)).toBe(0);
    expect(rank(scorer, [1], 5)).toBe(1);
    expect(rank(scorer, [1], 4)).toBe(1);
    expect(rank(scorer, [1], 2)).toBe(-1);
  });

  it('recent popularity knows only what was bought before', () => {
    const scorer = recentPopularity(train);
    expect(rank(scorer, [1], 4, 35)).toBe(1);
    expect(rank(scorer, [1], 4, 30)).toBe(-1);
    expect(rank(scorer, [1], 3, 30)).toBe(0);
  });

  it('leaves out what the user itself did', () => {
    const others = { history: [2], time: 50, user: 3 };
    expect(itemToItem(train)(others).get(4)).toBeUndefined();
    expect(itemToItem(train)(others).get(1)).toBe(1);
    expect(recentPopularity(train)(others).get(4)).toBeUndefined();
  });

  it('leaves out what is not known yet', () => {
    const early = { history: [2], time: 50, knownUntil: 35 };
    expect(itemToItem(train)(early)).toEqual(
      new Map([
        [3, 2],
        [1, 1],
        [4, 0.5],
      ]),
    );
    expect(itemToItem(train)({ ...early, user: 3 })).toEqual(new Map([[3, 2]]));
    expect(recentPopularity(train)(early)).toEqual(
      new Map([
        [4, 1],
        [3, 2],
      ]),
    );
  });

  it('item-to-item counts what came after the last items, near ones more', () => {
    const scorer = itemToItem(train);
    // After 2: item 3 twice at once, item 1 twice at once, items 4 and 5 once each two places later.
    expect(scorer({ history: [2], time: 50 })).toEqual(
      new Map([
        [3, 2],
        [1, 2],
        [4, 0.5],
        [5, 0.5],
      ]),
    );
    expect(rank(scorer, [2], 1)).toBe(0);
    expect(rank(scorer, [2], 3)).toBe(1);
    expect(rank(scorer, [2], 5)).toBe(2);
    expect(rank(scorer, [4], 1)).toBe(-1);
  });

  it('lets older items of the history vote less', () => {
    const scores = itemToItem(train)({ history: [3, 1], time: 50 });
    // Item 1 is followed by 2, 4 and 5 at once and by 3 later; item 3, one place older, by 2 at once and 3 later.
    expect(scores.get(2)).toBe(1 + 1 / 2);
    expect(scores.get(3)).toBe(0.5 + 0.5 / 2);
  });
});
