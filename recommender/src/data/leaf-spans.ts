import { TokenTrie } from 'fused-bear-loss/decoding';

/** Leaves in the order of their token sequences: those below a node are a run. */
export interface LeafSpans {
  count: number;
  /** First leaf below a node and the one after the last, by trie node. */
  first: Int32Array;
  end: Int32Array;
  /** Position of each item's leaf, by item index. */
  ofItem: Int32Array;
}

/** @param items ids of the items, by item index */
export function spanLeaves(trie: TokenTrie, items: readonly number[]): LeafSpans {
  const below = countLeaves(trie);
  const first = new Int32Array(trie.nodeCount);
  for (let node = 0; node < trie.nodeCount; node++) {
    let next = first[node] as number;
    for (let child = trie.firstChild(node), index = 0; index < trie.childCount(node); index++, child++) {
      first[child] = next;
      next += below[child] as number;
    }
  }
  return {
    count: below[TokenTrie.root] as number,
    first,
    end: first.map((start, node) => start + (below[node] as number)),
    ofItem: Int32Array.from(items, (item) => first[trie.leafOf(item)] as number),
  };
}

/** Leaves at or below each node. Nodes are numbered breadth first, so children are counted before their parents. */
function countLeaves(trie: TokenTrie): Int32Array {
  const counts = new Int32Array(trie.nodeCount);
  for (let node = trie.nodeCount - 1; node >= 0; node--) {
    if (trie.isLeaf(node)) counts[node] = 1;
    const parent = trie.parent(node);
    if (parent >= 0) counts[parent] = (counts[parent] as number) + (counts[node] as number);
  }
  return counts;
}
