import { type TokenLists, TokenTrie } from 'fused-bear-loss/decoding';

/** The nodes that leave a choice, numbered consecutively, and the edges to their children, numbered likewise. */
export interface Branches {
  count: number;
  /** Edges out of branching nodes, and the token of each. */
  edgeCount: number;
  edgeTokens: Int32Array;
  /** Number of a branching node, by trie node; -1 for others. */
  numberOf: Int32Array;
  /** Number of the edge to a node's first child, by trie node; the other children follow. -1 where there is no choice. */
  firstEdge: Int32Array;
  /** How many choices lie above a node, by trie node. */
  depth: Int32Array;
  /** Tokens of each branching node since the choice before: the one chosen, then those that it forces. */
  tokensSinceChoice: number[][];
}

export function numberBranches(trie: TokenTrie): Branches {
  const numberOf = new Int32Array(trie.nodeCount).fill(-1);
  const firstEdge = new Int32Array(trie.nodeCount).fill(-1);
  const depth = new Int32Array(trie.nodeCount);
  const tokensSinceChoice: number[][] = [];
  const edgeTokens: number[] = [];
  // Nodes are numbered breadth first: parents come before children.
  for (let node = 0; node < trie.nodeCount; node++) {
    const parent = trie.parent(node);
    if (parent >= 0) depth[node] = (depth[parent] as number) + (trie.childCount(parent) > 1 ? 1 : 0);
    if (trie.childCount(node) <= 1) continue;
    numberOf[node] = tokensSinceChoice.length;
    firstEdge[node] = edgeTokens.length;
    edgeTokens.push(...trie.childTokens(node));
    tokensSinceChoice.push(tokensFromChoiceTo(trie, node));
  }
  return {
    count: tokensSinceChoice.length,
    edgeCount: edgeTokens.length,
    edgeTokens: Int32Array.from(edgeTokens),
    numberOf,
    firstEdge,
    depth,
    tokensSinceChoice,
  };
}

/** The edge to the child of a branching node by a token. */
export function edgeTo(
  trie: TokenTrie,
  { firstEdge }: Pick<Branches, 'firstEdge'>,
  node: number,
  token: number,
): number {
  return (firstEdge[node] as number) + trie.child(node, token) - trie.firstChild(node);
}

/** For each node the edges to its children, which are consecutive; an empty list for node -1. */
export function edgeLists(trie: TokenTrie, { firstEdge }: Pick<Branches, 'firstEdge'>, nodes: Int32Array): TokenLists {
  const offsets = new Int32Array(nodes.length + 1);
  nodes.forEach((node, row) => {
    offsets[row + 1] = (offsets[row] as number) + (node < 0 ? 0 : trie.childCount(node));
  });
  const edges = new Int32Array(offsets[nodes.length] as number);
  nodes.forEach((node, row) => {
    const begin = offsets[row] as number;
    const end = offsets[row + 1] as number;
    for (let entry = begin; entry < end; entry++) edges[entry] = (firstEdge[node] as number) + entry - begin;
  });
  return { offsets, tokens: edges };
}

function tokensFromChoiceTo(trie: TokenTrie, branch: number): number[] {
  const reversed: number[] = [];
  for (let node = branch; node !== TokenTrie.root; ) {
    reversed.push(trie.lastToken(node));
    node = trie.parent(node);
    if (trie.childCount(node) > 1) break;
  }
  return reversed.reverse();
}
