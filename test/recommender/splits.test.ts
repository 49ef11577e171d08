import { splitByUser } from '../../examples/recommender/splits';
import { syntheticDataset } from '../../examples/recommender/synthetic';

const SIZE = { items: 100, users: 60, purchases: 9 };

describe('splitByUser', () => {
  const { rows } = syntheticDataset(SIZE, 3);
  const usersOf = (some: typeof rows) => new Set(some.map(({ user }) => user));

  it('has no user on both sides and loses no row', () => {
    const split = splitByUser(rows, 1, { testShare: 0.25 });
    const testUsers = usersOf(split.test);
    expect(split.train.filter(({ user }) => testUsers.has(user))).toEqual([]);
    expect(split.train.length + split.test.length).toBe(rows.length);
    expect(new Set([...split.train, ...split.test]).size).toBe(rows.length);
    expect([split.trainUsers, split.testUsers]).toEqual([45, 15]);
  });

  it('is the same for the same seed only', () => {
    expect(splitByUser(rows, 1)).toEqual(splitByUser(rows, 1));
    expect(usersOf(splitByUser(rows, 1).test)).not.toEqual(usersOf(splitByUser(rows, 2).test));
  });

  it('takes at most as many rows as asked for, of the same users', () => {
    const all = splitByUser(rows, 1);
    const some = splitByUser(rows, 1, { trainRows: 20, testRows: 7 });
    expect([some.train.length, some.test.length]).toEqual([20, 7]);
    expect([...usersOf(some.test)].filter((user) => !usersOf(all.test).has(user))).toEqual([]);
  });

  it('refuses data of one user', () => {
    expect(() => splitByUser([{ user: 1, history: [1], target: 2 }], 1)).toThrow('at least two users');
  });
});

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
