import { numberBranches } from '../../src/data/branches';
import { trie } from '../support/branching-trie';

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
