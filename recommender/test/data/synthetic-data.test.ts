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

  describe('the process', () => {
    const { titles, rows } = syntheticDataset({ items: 400, users: 1000, purchases: 9 }, 3);
    const kinds = [...new Set([...titles.values()].map(kindOf))];
    const kindOfItem = (item: number | undefined) => kindOf(titles.get(item as number) as string);

    /** How often the kind of the target is one of the two most frequent ones after the same context. */
    function shareOfTopTwo(context: (history: readonly string[]) => string): number {
      const counts = new Map<string, Map<string, number>>();
      for (const { history, target } of rows) {
        const key = context(history.map(kindOfItem));
        const own = counts.get(key) ?? new Map<string, number>();
        counts.set(key, own);
        own.set(kindOfItem(target), (own.get(kindOfItem(target)) ?? 0) + 1);
      }
      const topTwo = [...counts.values()].flatMap((own) => [...own.values()].sort((a, b) => b - a).slice(0, 2));
      return topTwo.reduce((sum, count) => sum + count, 0) / rows.length;
    }

    it('chooses the next kind of product by the last two and their order', () => {
      const lastTwo = (history: readonly string[]) => history.slice(-2);
      // 0.8 + 0.2 * 2 / 16, and a little for the chance of the sample.
      expect(shareOfTopTwo((history) => lastTwo(history).join())).toBeGreaterThan(0.8);
      expect(shareOfTopTwo((history) => lastTwo(history).sort().join())).toBeLessThan(0.65);
      expect(shareOfTopTwo((history) => String(history.at(-1)))).toBeLessThan(0.5);
      expect(kinds).toHaveLength(16);
    });

    it('stays with a favourite brand of the user', () => {
      // Of five brands that are drawn from 16 the most frequent one has 0.3 to 0.4.
      const brandsOf = (user: number) =>
        rows.filter((row) => row.user === user).map(({ target }) => brandOf(titles.get(target) as string));
      const shares = Array.from({ length: 1000 }, (_, index) => {
        const brands = brandsOf(index + 1);
        return Math.max(...brands.map((brand) => brands.filter((other) => other === brand).length)) / brands.length;
      });
      expect(shares.reduce((sum, share) => sum + share, 0) / shares.length).toBeGreaterThan(0.6);
    });

    it('gives the first brands more items than the last', () => {
      const brands = [...titles.values()].map(brandOf);
      const sizes = [...new Set(brands)].map((brand) => brands.filter((other) => other === brand).length);
      expect(Math.max(...sizes)).toBeGreaterThan(2 * Math.min(...sizes));
    });
  });
});

/** Of a title such as `Alder Gel Pen, Black`. */
function brandOf(title: string): string {
  return title.split(' ')[0] as string;
}

function kindOf(title: string): string {
  return title.slice(title.indexOf(' ') + 1, title.indexOf(','));
}
