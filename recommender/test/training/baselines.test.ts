import { hitRatioAt, TokenTrie } from 'fused-bear-loss/decoding';
import { loadDataset } from '../../src/data/dataset-files';
import {
  baselineRanks,
  itemToItem,
  newestPopularity,
  popularity,
  rankBaselines,
  recentPopularity,
  type Scorer,
} from '../../src/training/baselines';
import { openWorkbench } from '../../src/training/workbench';
import { describeWithData } from '../support/shared-data';

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

  it('ranks the same whether the ranking is made once for all rows or for each', () => {
    const shared = popularity(train);
    const rows = [1, 2, 3, 4, 5].flatMap((target) => [1, 2].map((user) => ({ user, history: [1], target, time: 50 })));
    const fresh: Scorer = (query) => new Map(shared(query));
    expect(baselineRanks(shared, rows, trie)).toEqual(baselineRanks(fresh, rows, trie));
  });

  it('count only the newest target of each user where there are no times', () => {
    const places = [
      { user: 1, history: [1], target: 3, time: -3 },
      { user: 1, history: [1, 3], target: 4, time: -2 },
      { user: 2, history: [2], target: 4, time: -2 },
      { user: 3, history: [4], target: 2, time: -4 },
    ];
    expect(newestPopularity(places)({ history: [], time: 0 })).toEqual(
      new Map([
        [4, 2],
        [2, 1],
      ]),
    );
  });

  it('count a pair once where rows are nested, by the row whose target is the later item', () => {
    const nested = [
      { user: 1, history: [1], target: 2, time: -4, isNested: true as const },
      { user: 1, history: [1, 2], target: 3, time: -3, isNested: true as const },
      { user: 1, history: [1, 2, 3], target: 4, time: -2, isNested: true as const },
    ];
    const scorer = itemToItem(nested);
    expect(scorer({ history: [1], time: 0 })).toEqual(
      new Map([
        [2, 1],
        [3, 1 / 2],
        [4, 1 / 3],
      ]),
    );
  });
});

describeWithData('semantic-ids-office', (folder) => {
  it('has baselines that were counted by another program, too', async () => {
    // By a script that knows nothing of rows: it goes through the pairs of each history once.
    const workbench = await openWorkbench(loadDataset(folder), { split: 'leave-one-out', itemTokens: 'codes' });
    const [lines = []] = rankBaselines(workbench, workbench.split.test);
    const hits = Object.fromEntries(
      lines.map(({ name, ranks }) => [name, [10, 20].map((k) => Math.round(ranks.length * hitRatioAt(ranks, k)))]),
    );
    expect(hits).toEqual({
      popularity: [15, 40],
      'popularity, recent': [157, 262],
      'item-to-item counts': [450, 634],
    });
  });
});
