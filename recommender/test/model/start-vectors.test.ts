import { Recommender } from '../../src/model/model';
import { startVectors } from '../../src/model/start-vectors';
import { openTinyWorkbench, TINY_PLACES } from '../support/recommender';

const CATALOGUE = {
  titles: new Map([
    [7, 'Gel Pen'],
    [8, 'Pen'],
    [9, 'Lamp'],
    [10, 'Shredder'],
  ]),
  indexOf: new Map([
    [7, 0],
    [8, 1],
    [9, 2],
    [10, 3],
  ]),
  // Token 0 is of all items, 1 of the pens, 2 of the lamp.
  itemTokens: [[0, 1], [0, 1], [0, 2], [0]],
};
const WORDS = new Map([
  ['gel', Float32Array.of(0, 4)],
  ['pen', Float32Array.of(2, 0)],
  ['lamp', Float32Array.of(-3, 1)],
]);

describe('startVectors', () => {
  const { items, tokens } = startVectors(CATALOGUE, WORDS, 0.05);

  it('has the mean of the words of an item, less the mean of all, in the size of random vectors', () => {
    // Means (1, 2), (2, 0), (-3, 1), and of these (0, 1).
    const size = Math.sqrt((1 + 1 + 4 + 1 + 9 + 0) / 6);
    expect([...items.keys()]).toEqual([0, 1, 2]);
    expect(items.get(0)?.[0]).toBeCloseTo((0.05 * 1) / size, 6);
    expect(items.get(0)?.[1]).toBeCloseTo((0.05 * 1) / size, 6);
    expect(items.get(2)?.[0]).toBeCloseTo((0.05 * -3) / size, 6);
    expect(items.get(2)?.[1]).toBeCloseTo(0, 6);
  });

  it('has for a token the mean of its items', () => {
    expect([...tokens.keys()].sort()).toEqual([0, 1, 2]);
    const [pens, lamp] = [tokens.get(1) as Float32Array, tokens.get(2) as Float32Array];
    expect(Math.sign(pens[0] as number)).toBe(1);
    expect(Math.sign(lamp[0] as number)).toBe(-1);
  });

  it('is zeros where all words are alike', () => {
    const alike = startVectors(CATALOGUE, new Map([['pen', Float32Array.of(1, 1)]]), 0.05);
    expect([...alike.items.values()].flatMap((vector) => [...vector])).toEqual([0, 0, 0, 0]);
  });
});

describe('a model with word vectors', () => {
  it('starts from them where a title has such words, and at random elsewhere', async () => {
    const { catalogue, evidence } = await openTinyWorkbench();
    const size = { dimension: 2, historyPlaces: TINY_PLACES };
    const words = new Map([
      ['pen', Float32Array.of(1, 0)],
      ['paper', Float32Array.of(0, 1)],
    ]);
    const [plain, started] = [undefined, words].map(
      (vectors) => new Recommender(catalogue, evidence, size, 1, vectors),
    );
    const ownOf = (model: Recommender | undefined, item: number) => [
      ...(model as Recommender).embeddings.items.data.subarray(2 * item, 2 * item + 2),
    ];
    const { items } = startVectors(catalogue, words, 0.05);
    expect(items.size).toBeGreaterThan(0);
    expect(items.size).toBeLessThan(catalogue.titles.size);
    for (const item of catalogue.indexOf.values()) {
      expect(ownOf(started, item)).toEqual(
        items.has(item) ? [...(items.get(item) as Float32Array)] : ownOf(plain, item),
      );
    }
    expect(() => new Recommender(catalogue, evidence, { ...size, dimension: 3 }, 1, words)).toThrow(
      new RangeError('word vectors of 2 numbers, and --dimension is 3'),
    );
  });
});
