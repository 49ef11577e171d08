import fc from 'fast-check';
import { TokenTrie } from 'fused-bear-loss/decoding';
import { codeLevels, itemCodes } from '../../src/data/item-codes';

/** `groups` far apart, each with `size` points near each other, in turn. */
function farGroups(groups: number, size: number): number[][] {
  return Array.from({ length: groups * size }, (_, index) => [100 * (index % groups), Math.floor(index / groups)]);
}

const prefixOf = (code: readonly number[], length: number) => code.slice(0, length).join();

describe('codeLevels', () => {
  it.each([
    [1, [2, 2]],
    [4, [2, 2]],
    [30, [8, 8]],
    [2411, [64, 64]],
    [22_728, [256, 256]],
    [65_536, [256, 256]],
    [65_537, [64, 64, 64]],
    [1_000_000, [128, 128, 128]],
  ])('for %i items has %j clusters', (items, levels) => {
    expect(codeLevels(items)).toEqual(levels);
  });
});

describe('itemCodes', () => {
  it('gives near vectors the same beginning', () => {
    const codes = itemCodes(farGroups(3, 4), { levels: [3, 4] });
    for (const group of [0, 1, 2]) {
      const beginnings = codes.filter((_, item) => item % 3 === group).map((code) => prefixOf(code, 1));
      expect(new Set(beginnings).size).toBe(1);
    }
    expect(new Set(codes.map((code) => prefixOf(code, 1))).size).toBe(3);
  });

  it('has codes that are all different, and none that begins another', () => {
    const problems = fc.record({
      vectors: fc.array(fc.tuple(fc.integer({ max: 3, min: 0 }), fc.integer({ max: 3, min: 0 })), {
        minLength: 1,
        maxLength: 60,
      }),
      levels: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    });
    fc.assert(
      fc.property(problems, ({ vectors, levels, seed }) => {
        const codes = itemCodes(vectors, { levels, seed });
        const trie = TokenTrie.fromSequences(codes);
        expect(codes).toHaveLength(vectors.length);
        codes.forEach((code, item) => {
          expect(trie.isLeaf(trie.find(code))).toBe(true);
          expect([...trie.items(trie.leafOf(item))]).toEqual([item]);
          expect(code).toHaveLength(levels.length + 1);
        });
      }),
    );
  });

  it('has first clusters of about equal size', () => {
    // Most points in one place: k-means alone would leave them together.
    const vectors = Array.from({ length: 60 }, (_, item) => (item < 50 ? [item / 1e6, 0] : [item, 50]));
    const codes = itemCodes(vectors, { levels: [4, 4] });
    const sizes = [0, 1, 2, 3].map((token) => codes.filter(([first]) => first === token).length);
    expect(sizes).toEqual([15, 15, 15, 15]);
  });

  it('gives the same second token to what lies in the same direction from the first centres', () => {
    // Three places, and around each the same four points.
    const around = [
      [0, 1],
      [0, -1],
      [1, 0],
      [-1, 0],
    ] as const;
    const codes = itemCodes(
      [0, 100, 200].flatMap((centre) => around.map(([x, y]) => [centre + x, y])),
      { levels: [3, 4] },
    );
    const second = (place: number) => codes.slice(4 * place, 4 * place + 4).map(([, token]) => token);
    expect(new Set(second(0)).size).toBe(4);
    expect(second(1)).toEqual(second(0));
    expect(second(2)).toEqual(second(0));
  });

  it('tells items apart by the last token, in their order', () => {
    const codes = itemCodes(
      Array.from({ length: 4 }, () => [1, 2]),
      { levels: [1, 1] },
    );
    expect(codes).toEqual([0, 1, 2, 3].map((item) => [0, 1, 2 + item]));
  });

  it('uses tokens of its own at each level', () => {
    const codes = itemCodes(farGroups(5, 20), { levels: [5, 4] });
    for (const [first, second, third] of codes as [number, number, number][]) {
      expect([first >= 0 && first < 5, second >= 5 && second < 9, third >= 9]).toEqual([true, true, true]);
    }
  });

  it('gives the same codes for the same seed, and takes any array of numbers', () => {
    const vectors = farGroups(7, 9);
    const options = { levels: [4, 4], seed: 3 };
    expect(
      itemCodes(
        vectors.map((vector) => Float32Array.from(vector)),
        options,
      ),
    ).toEqual(itemCodes(vectors, options));
    expect(itemCodes(vectors, { ...options, seed: 4 })).not.toEqual(itemCodes(vectors, options));
    expect(itemCodes([])).toEqual([]);
  });

  it.each([
    [[[1, 2], [1]], {}, 'vectors[1]'],
    [[[]], {}, 'vectors[0]'],
    [[[1, Number.NaN]], {}, 'vectors[0][1]'],
    [[[1]], { levels: [] }, 'levels'],
    [[[1]], { levels: [2, 0] }, 'levels[1]'],
    [[[1]], { seed: -1 }, 'seed'],
  ])('refuses %j with %j', (vectors, options, argument) => {
    expect(() => itemCodes(vectors, options)).toThrow(`${argument}: expected `);
  });
});
