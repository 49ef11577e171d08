import { edgeTo, numberBranches } from '../../src/data/branches';
import { itemsBelowEdges } from '../../src/data/items-below';
import { items, trie } from '../support/branching-trie';

describe('itemsBelowEdges', () => {
  it('has the items below each edge out of a branching node', () => {
    const branches = numberBranches(trie);
    const choices = items.map((item) => {
      const path = trie.path(trie.leafOf(item));
      return path
        .map((token, length) => ({ node: trie.find(path.slice(0, length)), token }))
        .filter(({ node }) => trie.childCount(node) > 1)
        .map(({ node, token }) => ({ edge: edgeTo(trie, branches, node, token) }));
    });
    const below = itemsBelowEdges(branches.edgeCount, choices);
    const lists = Array.from(branches.edgeTokens, (_, edge) => [
      ...below.items.subarray(below.offsets[edge], below.offsets[edge + 1]),
    ]);
    // 1 and 6; after 1 2: 3 and 4; after 1 2 4: 5 and 6. The items with indices 2 and 3 share a leaf.
    expect(lists).toEqual([[0, 1, 2, 3], [4], [0], [1, 2, 3], [1], [2, 3]]);
  });
});
