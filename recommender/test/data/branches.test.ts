import { TokenTrie } from 'fused-bear-loss/decoding';
import { numberBranches } from '../../src/data/branches';

// Items 7 and 9 have the same tokens; after 1 2 there is a choice, and before it one between 1 and 6.
const items = [3, 5, 7, 9, 11];
const trie = TokenTrie.fromSequences(
  [
    [1, 2, 3, 0],
    [1, 2, 4, 5, 0],
    [1, 2, 4, 6, 0],
    [1, 2, 4, 6, 0],
    [6, 0],
  ],
  items,
);

describe('numberBranches', () => {
  it('numbers the edges out of branching nodes, child by child, and counts the choices above', () => {
    const branches = numberBranches(trie);
    const edges: number[] = [];
    for (let node = 0; node < trie.nodeCount; node++) {
      const first = branches.firstEdge[node] as number;
      expect(first >= 0).toBe(trie.childCount(node) > 1);
      trie.childTokens(node).forEach((token, child) => {
        if (first >= 0) edges[first + child] = token;
      });
      const above = trie.path(node).map((_, length) => trie.find(trie.path(node).slice(0, length)));
      expect(branches.depth[node]).toBe(above.filter((ancestor) => trie.childCount(ancestor) > 1).length);
    }
    expect([...branches.edgeTokens]).toEqual(edges);
    expect(branches.edgeCount).toBe(edges.length);
  });
});
