/** The trie as bytes, its growth and shrinkage, and its size. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { TokenTrie } from '../../lib/decoding/index';
import { SeededRandom } from '../support/random';

const END = 4;
const sequence = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 5 }).map((tokens) => [...tokens, END]);
const catalogue = fc.array(sequence, { minLength: 1, maxLength: 30 });
const bytesOf = (trie: TokenTrie) => Buffer.from(trie.serialize());

describe('a trie as bytes', () => {
  const trie = TokenTrie.fromSequences(
    [
      [5, 1, 9],
      [5, 1, 3],
      [2, 9],
      [5, 1, 9],
    ],
    [10, 11, 12, 7],
  );

  it('is the same after it was loaded', () => {
    fc.assert(
      fc.property(catalogue, (sequences) => {
        const built = TokenTrie.fromSequences(sequences);
        const loaded = TokenTrie.load(built.serialize());
        expect(bytesOf(loaded)).toEqual(bytesOf(built));
        expect([loaded.nodeCount, loaded.leafCount, loaded.itemCount]).toEqual([
          built.nodeCount,
          built.leafCount,
          built.itemCount,
        ]);
        sequences.forEach((tokens, item) => {
          expect(loaded.path(loaded.leafOf(item))).toEqual(tokens);
        });
      }),
    );
  });

  it('loads from a view that lies anywhere in a buffer', () => {
    const bytes = trie.serialize();
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(bytesOf(TokenTrie.load(shifted.subarray(3)))).toEqual(Buffer.from(bytes));
  });

  it('is refused when it is cut short, anywhere', () => {
    const bytes = trie.serialize();
    for (let length = 0; length < bytes.length; ++length) {
      expect(() => TokenTrie.load(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ name: 'RangeError', code: 'ERR_BEAR_TRIE_FORMAT', argument: 'bytes' }),
      );
    }
    expect(() => TokenTrie.load(Uint8Array.of(...bytes, 0))).toThrow(
      expect.objectContaining({ code: 'ERR_BEAR_TRIE_FORMAT' }),
    );
  });

  it('is refused when any bit of it was changed', () => {
    const bytes = trie.serialize();
    for (let index = 0; index < bytes.length; ++index) {
      const changed = bytes.slice();
      changed[index] = (changed[index] as number) ^ (1 << (index % 8));
      expect(() => TokenTrie.load(changed)).toThrow(expect.objectContaining({ code: 'ERR_BEAR_TRIE_FORMAT' }));
    }
  });

  // 7 nodes: 14 marks of the edge offsets at 56, then 6 edge tokens at 60, 4 item offsets at 84, 4 items at 100.
  it.each([
    ['marks that are too few', 56, 1, 'edges'],
    ['marks that are too many', 56, -1, 'edges'],
    ['a child before its parent', 56, 0b11111000100011, 'child before itself'],
    ['tokens that do not rise', 64, 2, 'tokens of node 0'],
    ['a negative token', 60, -5, 'tokens of node 0'],
    ['items past the end', 96, 9, 'items'],
    ['a leaf without items', 88, 0, 'no item'],
    ['an item that occurs twice', 100, 11, 'item 11'],
  ])('is refused with a right digest and %s', (_, at, value, says) => {
    const bytes = bytesOf(trie);
    bytes.writeInt32LE(value, at);
    const digest = createHash('sha256').update(bytes.subarray(0, 24)).update(bytes.subarray(56)).digest();
    digest.copy(bytes, 24);
    const load = () => TokenTrie.load(bytes);
    expect(load).toThrow(expect.objectContaining({ code: 'ERR_BEAR_TRIE_FORMAT' }));
    expect(load).toThrow(says);
  });

  it('is refused as another kind of argument', () => {
    expect(() => TokenTrie.load('trie' as never)).toThrow(expect.objectContaining({ code: 'ERR_BEAR_ARGUMENT_TYPE' }));
    expect(() => TokenTrie.load(Buffer.from('something else altogether'))).toThrow('bytes that are not a TokenTrie');
  });
});

describe('insert and remove', () => {
  it('give the trie of what is then in it, and leave the old one as it was', () => {
    fc.assert(
      fc.property(catalogue, catalogue, (first, second) => {
        const trie = TokenTrie.fromSequences(first);
        const before = bytesOf(trie);
        const ids = second.map((_, index) => first.length + index);
        const grown = trie.insert(second, ids);
        expect(bytesOf(grown)).toEqual(bytesOf(TokenTrie.fromSequences([...first, ...second])));
        expect(bytesOf(grown.remove(ids))).toEqual(before);
        expect(bytesOf(trie)).toEqual(before);
        const odd = ids.filter((id) => id % 2 === 1);
        const kept = ids.filter((id) => id % 2 === 0);
        const rest = TokenTrie.fromSequences(
          [...first, ...kept.map((id) => second[id - first.length] as number[])],
          [...first.keys(), ...kept],
        );
        expect(bytesOf(grown.remove(odd))).toEqual(bytesOf(rest));
      }),
    );
  });

  const trie = TokenTrie.fromSequences([[1, 2], [3]], [5, 6]);
  it.each([
    ['an item that is there', () => trie.insert([[4]], [5]), 'ERR_BEAR_ITEM_REPEATED', 'items'],
    [
      'a sequence that begins one that is there',
      () => trie.insert([[1]], [7]),
      'ERR_BEAR_SEQUENCE_PREFIX',
      'sequences',
    ],
    [
      'a sequence that one that is there begins',
      () => trie.insert([[3, 1]], [7]),
      'ERR_BEAR_SEQUENCE_PREFIX',
      'sequences',
    ],
    ['a broken token', () => trie.insert([[0.5]], [7]), 'ERR_BEAR_TOKEN', 'sequences'],
    ['the removal of what is not there', () => trie.remove([5, 8]), 'ERR_BEAR_ITEM_UNKNOWN', 'items'],
    ['the removal of everything', () => trie.remove([5, 6]), 'ERR_BEAR_SHAPE', 'items'],
  ])('refuse %s', (_, call, code, argument) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});

describe('a large trie', () => {
  const random = new SeededRandom(6);
  const count = 100_000;
  const lists = {
    offsets: Int32Array.from({ length: count + 1 }, (_, row) => 5 * row),
    tokens: Int32Array.from({ length: 5 * count }, (_, place) => (place % 5 === 4 ? 256 : random.integer(256))),
  };
  const trie = TokenTrie.fromLists(lists);

  it('is built from lists as from sequences', () => {
    const sequences = Array.from({ length: count }, (_, row) => lists.tokens.subarray(5 * row, 5 * row + 5));
    expect(bytesOf(TokenTrie.fromSequences(sequences)).equals(bytesOf(trie))).toBe(true);
  });

  // 4 bytes for the token of a node, 2 bits and an eighth of a byte for its edges.
  it('takes 4.4 bytes a node, 8 a leaf and 4 an item', () => {
    const expected = 4.375 * trie.nodeCount + 8 * trie.leafCount + 4 * trie.itemCount;
    expect((TokenTrie.load(trie.serialize()).byteLength - 8 * count) / expected).toBeCloseTo(1, 2);
  });

  it('finds every item', () => {
    for (let item = 0; item < count; item += 997) {
      const leaf = trie.leafOf(item);
      expect(trie.items(leaf)).toContain(item);
      expect(trie.path(leaf)).toEqual(Array.from(lists.tokens.subarray(5 * item, 5 * item + 5)));
    }
    expect(trie.maxDepth).toBe(5);
  });

  it.each([
    ['offsets that fall', [0, 3, 2], 'sequences'],
    ['offsets that end elsewhere', [0, 1, 2], 'sequences'],
    ['an empty sequence', [0, 0, 3], 'sequences'],
  ])('refuses lists with %s', (_, offsets, argument) => {
    const bad = { offsets: Int32Array.from(offsets), tokens: Int32Array.of(1, 2, 3) };
    expect(() => TokenTrie.fromLists(bad)).toThrow(expect.objectContaining({ code: 'ERR_BEAR_SHAPE', argument }));
  });
});
