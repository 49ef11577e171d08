import type { TokenTrie } from 'fused-bear-loss/decoding';
import { spanLeaves } from '../../src/data/leaf-spans';
import { items, trie } from '../support/branching-trie';

describe('spanLeaves', () => {
  it('holds the leaves below each node in one span', () => {
    const leafSpans = spanLeaves(trie, items);
    expect(leafSpans.count).toBe(4);
    for (let node = 0; node < trie.nodeCount; node++) {
      const below = items.filter((id) => isBelow(trie, trie.leafOf(id), node));
      const places = below.map((id) => leafSpans.ofItem[items.indexOf(id)] as number);
      const span = Array.from(
        { length: (leafSpans.end[node] as number) - (leafSpans.first[node] as number) },
        (_, index) => (leafSpans.first[node] as number) + index,
      );
      expect([...new Set(places)].sort()).toEqual(span);
    }
  });
});

function isBelow(trie: TokenTrie, leaf: number, node: number): boolean {
  for (let above = leaf; above >= 0; above = trie.parent(above)) if (above === node) return true;
  return false;
}
