/** The fuzz target of the trie must be able to fail: it finds each method that returns something else. */
import { TokenTrie } from '../../../lib/decoding/index';
import { checkBytes, fuzzTrie } from './fuzz-trie';
import type { Entry } from './naive-trie';
import { compareWithNaive, entriesOf, Mismatch } from './walk-trie';

const entries: Entry[] = [
  { tokens: [5, 1, 9], item: 10 },
  { tokens: [5, 1, 3], item: 11 },
  { tokens: [2, 9], item: 12 },
  { tokens: [5, 1, 9], item: 7 },
];
const makeTrie = () =>
  TokenTrie.fromSequences(
    entries.map(({ tokens }) => tokens),
    entries.map(({ item }) => item),
  );

describe('the fuzz target of the trie', () => {
  it('passes the trie as it is', () => {
    compareWithNaive(makeTrie(), entries);
    expect(entriesOf(makeTrie())).toHaveLength(entries.length);
    expect(checkBytes(makeTrie().serialize())).toEqual({ loaded: true });
    expect(checkBytes(makeTrie().serialize().subarray(1))).toEqual({ loaded: false });
  });

  const lies: Record<string, () => unknown> = {
    childCount: () => 1,
    childTokens: () => Int32Array.of(),
    firstChild: () => 2,
    child: () => 1,
    find: () => 0,
    isLeaf: () => true,
    parent: () => 0,
    lastToken: () => 5,
    path: () => [5],
    nextChoice: () => 0,
    items: () => Int32Array.of(),
    leafOf: () => 3,
    allowed: () => ({ offsets: new Int32Array(9), tokens: new Int32Array(0) }),
  };
  it.each(Object.entries(lies))('finds a wrong %s', (method, wrong) => {
    const trie = Object.assign(makeTrie(), { [method]: wrong });
    expect(() => compareWithNaive(trie, entries)).toThrow(Mismatch);
  });

  it.each(['nodeCount', 'leafCount', 'itemCount', 'maxDepth'] as const)('finds a wrong %s', (name) => {
    const trie = Object.defineProperty(makeTrie(), name, { value: 1 });
    expect(() => compareWithNaive(trie, entries)).toThrow(Mismatch);
  });

  it('finds an error of load that has another code', () => {
    const load = jest.spyOn(TokenTrie, 'load').mockImplementation(() => {
      throw new RangeError('Invalid typed array length');
    });
    try {
      expect(() => checkBytes(new Uint8Array(0))).toThrow('Invalid typed array length');
    } finally {
      load.mockRestore();
    }
  });

  it('draws cases that load and cases that are refused', () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    try {
      expect(fuzzTrie({ cases: 300, seconds: Number.POSITIVE_INFINITY, seed: 1 })).toBe(true);
      const [, loaded, refused] = /(\d+) loaded, (\d+) refused/.exec(String(log.mock.calls.at(-1)?.[0])) ?? [];
      expect(Number(loaded)).toBeGreaterThan(50);
      expect(Number(refused)).toBeGreaterThan(50);
    } finally {
      log.mockRestore();
    }
  });
});
