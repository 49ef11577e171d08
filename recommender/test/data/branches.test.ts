import { edgeLists, edgeTo, numberBranches } from '../../src/data/branches';
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

describe('edgeLists', () => {
  it('has the edges to the children of each node, in the order of their tokens, and none for node -1', () => {
    const branches = numberBranches(trie);
    const inner = trie.find([1, 2]);
    const { offsets, tokens } = edgeLists(trie, branches, Int32Array.of(inner, -1, 0));
    expect([...offsets]).toEqual([0, 2, 2, 4]);
    expect([...tokens].map((edge) => branches.edgeTokens[edge])).toEqual([3, 4, 1, 6]);
    expect(edgeTo(trie, branches, inner, 4)).toBe(tokens[1]);
  });
});
