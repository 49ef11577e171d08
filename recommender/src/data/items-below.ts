import type { TokenTrie } from 'fused-bear-loss/decoding';
import type { Branches } from './branches.js';

/** For each edge out of a branching node the indices of the items below it, ascending. */
export interface ItemsBelow {
  offsets: Int32Array;
  items: Int32Array;
}

/** @param choices the decisions that lead to each item, by item index */
export function itemsBelowEdges(
  trie: TokenTrie,
  { edgeCount, firstEdge }: Pick<Branches, 'edgeCount' | 'firstEdge'>,
  choices: readonly (readonly { node: number; token: number }[])[],
): ItemsBelow {
  const edges = choices.map((path) =>
    path.map(({ node, token }) => (firstEdge[node] as number) + trie.child(node, token) - trie.firstChild(node)),
  );
  const offsets = new Int32Array(edgeCount + 1);
  for (const edge of edges.flat()) offsets[edge + 1] = (offsets[edge + 1] as number) + 1;
  for (let edge = 0; edge < edgeCount; edge++)
    offsets[edge + 1] = (offsets[edge + 1] as number) + (offsets[edge] as number);
  const next = offsets.slice();
  const items = new Int32Array(offsets[edgeCount] as number);
  edges.forEach((path, item) => {
    for (const edge of path) {
      items[next[edge] as number] = item;
      next[edge] = (next[edge] as number) + 1;
    }
  });
  return { offsets, items };
}
