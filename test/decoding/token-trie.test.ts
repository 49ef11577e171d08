import fc from 'fast-check';
import { TokenTrie } from '../../lib/decoding/index';

const sequences = [
  [5, 1, 9],
  [5, 1, 3],
  [2, 9],
  [5, 1, 9],
  [5, 4, 4, 9],
];

describe('TokenTrie', () => {
  const trie = TokenTrie.fromSequences(sequences, [10, 11, 12, 7, 13]);

  it('lists the children of a node in ascending order', () => {
    expect([...trie.childTokens(TokenTrie.root)]).toEqual([2, 5]);
    const prefix = trie.find([5, 1]);
    expect([...trie.childTokens(prefix)]).toEqual([3, 9]);
    expect(trie.childCount(prefix)).toBe(2);
    expect(trie.child(prefix, 9)).toBe(trie.find([5, 1, 9]));
    expect(trie.child(prefix, 4)).toBe(-1);
    expect(trie.find([5, 7])).toBe(-1);
  });

  it('gives items with equal sequences one leaf, with the ids ascending', () => {
    const leaf = trie.find([5, 1, 9]);
    expect(trie.isLeaf(leaf)).toBe(true);
    expect([...trie.items(leaf)]).toEqual([7, 10]);
    expect(trie.leafOf(7)).toBe(leaf);
    expect(trie.leafOf(10)).toBe(leaf);
    expect(trie.leafOf(8)).toBe(-1);
    expect([...trie.items(trie.find([5, 1]))]).toEqual([]);
    expect([trie.nodeCount, trie.leafCount, trie.itemCount]).toEqual([10, 4, 5]);
  });

  it('follows forced tokens to the next choice or to the leaf', () => {
    expect(trie.nextChoice(trie.find([5, 4]))).toBe(trie.find([5, 4, 4, 9]));
    expect(trie.nextChoice(trie.find([5, 1]))).toBe(trie.find([5, 1]));
    expect(TokenTrie.fromSequences([[1, 2, 3]]).nextChoice(TokenTrie.root)).toBe(3);
  });

  it('knows the way back to the root', () => {
    const node = trie.find([5, 4, 4]);
    expect(trie.path(node)).toEqual([5, 4, 4]);
    expect(trie.lastToken(node)).toBe(4);
    expect(trie.parent(node)).toBe(trie.find([5, 4]));
    expect([trie.parent(TokenTrie.root), trie.lastToken(TokenTrie.root)]).toEqual([-1, -1]);
  });

  it('writes the children of many nodes as the constraint of the loss', () => {
    const { offsets, tokens } = trie.allowed([trie.find([5]), TokenTrie.root, trie.find([2, 9]), TokenTrie.root]);
    expect([...offsets]).toEqual([0, 2, 4, 4, 6]);
    expect([...tokens]).toEqual([1, 4, 2, 5, 2, 5]);
    expect(tokens).toBeInstanceOf(Int32Array);
  });

  it('holds exactly the sequences that it was built from', () => {
    const sequence = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 0, maxLength: 5 }).map((s) => [...s, 4]);
    fc.assert(
      fc.property(fc.array(sequence, { minLength: 1, maxLength: 30 }), (catalogue) => {
        const built = TokenTrie.fromSequences(catalogue);
        const prefixes = new Set(
          catalogue.flatMap((tokens) => tokens.map((_, end) => tokens.slice(0, end + 1).join())).concat(''),
        );
        expect(built.nodeCount).toBe(prefixes.size);
        for (let node = 0; node < built.nodeCount; node++) {
          const path = built.path(node);
          expect(prefixes.has(path.join())).toBe(true);
          expect(built.find(path)).toBe(node);
          const tokens = [...built.childTokens(node)];
          expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
          tokens.forEach((token, index) => {
            expect(built.child(node, token)).toBe(built.firstChild(node) + index);
            expect(built.parent(built.firstChild(node) + index)).toBe(node);
          });
        }
        catalogue.forEach((tokens, item) => {
          const same = catalogue.flatMap((other, id) => (other.join() === tokens.join() ? [id] : []));
          expect([...built.items(built.leafOf(item))]).toEqual(same);
          expect(built.path(built.leafOf(item))).toEqual(tokens);
        });
      }),
    );
  });

  it.each([
    ['no sequences', [], undefined, 'ERR_BEAR_SHAPE', 'sequences'],
    ['an empty sequence', [[1], []], undefined, 'ERR_BEAR_SHAPE', 'sequences'],
    ['fewer ids than sequences', [[1], [2]], [1], 'ERR_BEAR_SHAPE', 'items'],
    ['a negative token', [[1], [-2]], undefined, 'ERR_BEAR_TOKEN', 'sequences'],
    ['a broken token', [[1.5]], undefined, 'ERR_BEAR_TOKEN', 'sequences'],
    ['a token beyond 31 bits', [[2 ** 31]], undefined, 'ERR_BEAR_TOKEN', 'sequences'],
    ['an id that is no id', [[1], [2]], [1, Number.NaN], 'ERR_BEAR_TOKEN', 'items'],
    ['an id that occurs twice', [[1], [2]], [7, 7], 'ERR_BEAR_ITEM_REPEATED', 'items'],
    [
      'a sequence that begins another',
      [
        [1, 2, 3],
        [1, 2],
      ],
      undefined,
      'ERR_BEAR_SEQUENCE_PREFIX',
      'sequences',
    ],
  ])('refuses %s', (_, bad, items, code, argument) => {
    expect(() => TokenTrie.fromSequences(bad, items)).toThrow(expect.objectContaining({ code, argument }));
  });

  it('names both sequences where one begins the other', () => {
    expect(() => TokenTrie.fromSequences([[1, 2, 3], [4], [1, 2]])).toThrow(
      'sequence 2 is the beginning of sequence 0',
    );
  });
});

describe('a node that the trie does not have', () => {
  const trie = TokenTrie.fromSequences([
    [0, 1],
    [0, 2],
  ]);
  const questions: [string, (node: never) => unknown][] = [
    ['childCount', (node) => trie.childCount(node)],
    ['childTokens', (node) => trie.childTokens(node)],
    ['firstChild', (node) => trie.firstChild(node)],
    ['child', (node) => trie.child(node, 0)],
    ['find', (node) => trie.find([1], node)],
    ['isLeaf', (node) => trie.isLeaf(node)],
    ['parent', (node) => trie.parent(node)],
    ['lastToken', (node) => trie.lastToken(node)],
    ['path', (node) => trie.path(node)],
    ['nextChoice', (node) => trie.nextChoice(node)],
    ['items', (node) => trie.items(node)],
    ['allowed', (node) => trie.allowed([node])],
  ];

  it.each(questions)('is refused by %s', (_, ask) => {
    for (const node of [-1, 4, 20, 2 ** 32, 0.5, Number.NaN, Infinity]) {
      expect(() => ask(node as never)).toThrow(
        expect.objectContaining({ name: 'RangeError', code: 'ERR_BEAR_TRIE_NODE' }),
      );
    }
    for (const node of ['0', 0n, null, Symbol('s'), {}]) {
      expect(() => ask(node as never)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_BEAR_ARGUMENT_TYPE' }),
      );
    }
  });

  it.each<[unknown, string]>([
    [Number.NaN, 'ERR_BEAR_TOKEN'],
    [-1, 'ERR_BEAR_TOKEN'],
    [2 ** 31, 'ERR_BEAR_TOKEN'],
    ['1', 'ERR_BEAR_ARGUMENT_TYPE'],
  ])('and a token %p too', (token, code) => {
    for (const ask of [() => trie.child(0, token as never), () => trie.find([0, token as never])]) {
      expect(ask).toThrow(expect.objectContaining({ code }));
    }
    expect(() => trie.leafOf(token as never)).toThrow(expect.objectContaining({ code }));
  });

  it.each<[string, () => unknown, string]>([
    ['no list', () => TokenTrie.fromSequences(null as never), 'ERR_BEAR_ARGUMENT_TYPE'],
    ['big integers', () => TokenTrie.fromSequences([[1n]] as never), 'ERR_BEAR_ARGUMENT_TYPE'],
    ['a negative length', () => TokenTrie.fromSequences([{ length: -1 }] as never), 'ERR_BEAR_ARGUMENT_TYPE'],
    ['no lists', () => TokenTrie.fromLists({} as never), 'ERR_BEAR_ARGUMENT_TYPE'],
    ['another receiver', () => TokenTrie.prototype.childCount.call({} as never, 0), 'ERR_BEAR_ARGUMENT_TYPE'],
  ])('%s has a code', (_, call, code) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});
