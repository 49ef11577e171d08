import { syntheticDataset } from '../../src/data/synthetic-data';

const SIZE = { items: 100, users: 60, purchases: 9 };

describe('syntheticDataset', () => {
  it('is the same for the same seed only', () => {
    expect(syntheticDataset(SIZE, 3)).toEqual(syntheticDataset(SIZE, 3));
    expect(syntheticDataset(SIZE, 3).rows).not.toEqual(syntheticDataset(SIZE, 4).rows);
  });

  it('has distinct titles, rows of known items, and windows of one history', () => {
    const { titles, rows, description } = syntheticDataset(SIZE, 3);
    expect(description).toMatch(/SYNTHETIC/);
    expect(new Set(titles.values()).size).toBe(SIZE.items);
    expect(rows.length).toBe(SIZE.users * (SIZE.purchases - 4));
    expect(rows.flatMap(({ history, target }) => [...history, target]).filter((item) => !titles.has(item))).toEqual([]);
    const [first, second] = rows.filter(({ user }) => user === 1);
    expect(second?.history).toEqual([...(first?.history ?? []), first?.target]);
  });

  it('can be predicted from the last item', () => {
    const { rows } = syntheticDataset(SIZE, 3);
    const followers = new Map<number, Set<number>>();
    for (const { history, target } of rows.filter(({ user }) => user <= 40)) {
      const last = history.at(-1) as number;
      followers.set(last, (followers.get(last) ?? new Set()).add(target));
    }
    const others = rows.filter(({ user }) => user > 40);
    const seen = others.filter(({ history, target }) => followers.get(history.at(-1) as number)?.has(target));
    // An item has about two of the 100 items after it in 200 rows: by chance it would be about 2 %.
    expect(seen.length / others.length).toBeGreaterThan(0.2);
  });
});
