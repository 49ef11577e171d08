import { TokenTrie } from '../decoding/index.js';
import { buildVocabulary, tokenizeTitles, type Vocabulary } from './tokenizer.js';

/** One decision on the way to an item: at trie node `node`, where there is a choice, take `token`. */
export interface Choice {
  node: number;
  token: number;
}

/** The items as the model sees them. Items have ids in the data and consecutive indices here. */
export interface Catalogue {
  titles: ReadonlyMap<number, string>;
  trie: TokenTrie;
  vocabulary: Vocabulary;
  /** Index of an item, by its id. */
  indexOf: ReadonlyMap<number, number>;
  /** Tokens of each item's title, by item index. */
  titleTokens: number[][];
  /** Decisions that lead to each item, by item index. */
  choices: Choice[][];
  branches: Branches;
  leafSpans: LeafSpans;
  /** Items whose title another item has, too. */
  itemsWithSharedTitle: number;
}

/** The nodes that leave a choice, numbered consecutively, and their children, numbered likewise. */
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

/** Leaves in the order of their token sequences: those below a node are a run. */
export interface LeafSpans {
  count: number;
  /** First leaf below a node and the one after the last, by trie node. */
  first: Int32Array;
  end: Int32Array;
  /** Position of each item's leaf, by item index. */
  ofItem: Int32Array;
}

export async function buildCatalogue(titles: ReadonlyMap<number, string>): Promise<Catalogue> {
  const ids = [...titles.keys()].sort((a, b) => a - b);
  const tokenizerIds = await tokenizeTitles(ids.map((id) => titles.get(id) as string));
  const vocabulary = buildVocabulary(tokenizerIds);
  const titleTokens = tokenizerIds.map((sequence) => vocabulary.encode(sequence));
  const trie = TokenTrie.fromSequences(titleTokens, ids);
  return {
    titles,
    trie,
    vocabulary,
    indexOf: new Map(ids.map((id, index) => [id, index])),
    titleTokens,
    choices: titleTokens.map((tokens) => choicesAlong(trie, tokens)),
    branches: numberBranches(trie),
    leafSpans: spanLeaves(trie, ids),
    itemsWithSharedTitle: ids.filter((id) => trie.items(trie.leafOf(id)).length > 1).length,
  };
}

function choicesAlong(trie: TokenTrie, tokens: readonly number[]): Choice[] {
  const path: Choice[] = [];
  let node = TokenTrie.root;
  for (const token of tokens) {
    if (trie.childCount(node) > 1) path.push({ node, token });
    node = trie.child(node, token);
  }
  return path;
}

function numberBranches(trie: TokenTrie): Branches {
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

function tokensFromChoiceTo(trie: TokenTrie, branch: number): number[] {
  const reversed: number[] = [];
  for (let node = branch; node !== TokenTrie.root; ) {
    reversed.push(trie.lastToken(node));
    node = trie.parent(node);
    if (trie.childCount(node) > 1) break;
  }
  return reversed.reverse();
}

function spanLeaves(trie: TokenTrie, ids: readonly number[]): LeafSpans {
  const leavesBelow = new Int32Array(trie.nodeCount);
  for (let node = trie.nodeCount - 1; node >= 0; node--) {
    if (trie.isLeaf(node)) leavesBelow[node] = 1;
    const parent = trie.parent(node);
    if (parent >= 0) leavesBelow[parent] = (leavesBelow[parent] as number) + (leavesBelow[node] as number);
  }
  const first = new Int32Array(trie.nodeCount);
  for (let node = 0; node < trie.nodeCount; node++) {
    let next = first[node] as number;
    for (let child = trie.firstChild(node), index = 0; index < trie.childCount(node); index++, child++) {
      first[child] = next;
      next += leavesBelow[child] as number;
    }
  }
  return {
    count: leavesBelow[TokenTrie.root] as number,
    first,
    end: first.map((start, node) => start + (leavesBelow[node] as number)),
    ofItem: Int32Array.from(ids, (id) => first[trie.leafOf(id)] as number),
  };
}
