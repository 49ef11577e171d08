import { hitRatioAt, ndcgAt, TokenTrie } from 'fused-bear-loss/decoding';
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

// HR and NDCG at 10 and 20. Those of Office are what another program counted, which goes through the pairs of each history once.
const LEAVE_ONE_OUT = {
  'semantic-ids-office': {
    popularity: '0.0031 0.0082 0.0011 0.0023',
    'popularity, recent': '0.0320 0.0534 0.0154 0.0208',
    'item-to-item counts': '0.0917 0.1293 0.0544 0.0637',
  },
  'semantic-ids-beauty': {
    popularity: '0.0107 0.0175 0.0051 0.0069',
    'popularity, recent': '0.0167 0.0270 0.0072 0.0098',
    'item-to-item counts': '0.0789 0.1039 0.0482 0.0545',
  },
};

describe.each(Object.entries(LEAVE_ONE_OUT))('leave-one-out', (name, expected) => {
  describeWithData(name, (folder) => {
    it("has the baselines of the recommender's page", async () => {
      const workbench = await openWorkbench(loadDataset(folder), { split: 'leave-one-out', itemTokens: 'codes' });
      const [lines = []] = rankBaselines(workbench, workbench.split.test);
      const figures = lines.map(({ name, ranks }) => [
        name,
        [hitRatioAt, ndcgAt].flatMap((of) => [10, 20].map((k) => of(ranks, k).toFixed(4))).join(' '),
      ]);
      expect(Object.fromEntries(figures)).toEqual(expected);
    }, 60_000);
  });
});
