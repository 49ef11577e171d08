// From token sequences to the arrays of a trie, in time linear in their tokens once they are sorted.
import { fail } from '../options/errors.js';
import { IdBuffer } from './ids.js';
import { RisingOffsets } from './rising-offsets.js';

/** One list of token ids per row, as compressed rows: row `i` is `tokens[offsets[i] .. offsets[i + 1])`. */
export interface TokenLists {
  /** `[rows + 1]`, rising from 0. */
  offsets: Int32Array;
  tokens: Int32Array;
}

/** Sequences and the item of each. */
export interface Catalogue extends TokenLists {
  items: Int32Array;
}

/**
 * Nodes are numbered in breadth-first order, children by ascending token, and the root is 0. So the children of a node are
 * consecutive, the edge into node `n` is edge `n - 1`, and the whole tree is a typed array and two bits a node.
 */
export interface TrieArrays {
  /** `[nodes + 1]`: the edges of node `n` are `edgeOffsets.at(n) .. edgeOffsets.at(n + 1)`. */
  edgeOffsets: RisingOffsets;
  /** `[nodes - 1]`: edge `e` leads to node `e + 1`. */
  edgeTokens: Int32Array;
  /** `[leaves]`, ascending. */
  leafNodes: Int32Array;
  /** `[leaves + 1]`: the items of leaf `l` are `leafItems[itemOffsets[l] .. itemOffsets[l + 1])`, ascending. */
  itemOffsets: Int32Array;
  leafItems: Int32Array;
}

/** Indices of the sequences in the order of their tokens; equal sequences by item id. */
export function lexicographicOrder(catalogue: Catalogue): Uint32Array {
  const order = Uint32Array.from(catalogue.items, (_, index) => index);
  return order.sort((a, b) => compareSequences(catalogue, a, b));
}

function compareSequences({ offsets, tokens, items }: Catalogue, a: number, b: number): number {
  const [beginA, beginB] = [offsets[a] as number, offsets[b] as number];
  const lengthA = (offsets[a + 1] as number) - beginA;
  const lengthB = (offsets[b + 1] as number) - beginB;
  for (let position = 0; position < Math.min(lengthA, lengthB); position++) {
    const difference = (tokens[beginA + position] as number) - (tokens[beginB + position] as number);
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB || (items[a] as number) - (items[b] as number);
}

/** Two catalogues, the first of them in lexicographic order, as one, and the order of its sequences. */
export function mergeCatalogues(sorted: Catalogue, added: Catalogue): [Catalogue, Uint32Array] {
  const count = sorted.items.length;
  const merged = {
    offsets: concat(
      sorted.offsets,
      added.offsets.subarray(1).map((end) => sorted.tokens.length + end),
    ),
    tokens: concat(sorted.tokens, added.tokens),
    items: concat(sorted.items, added.items),
  };
  const addedOrder = lexicographicOrder(added).map((index) => count + index);
  let [next, nextAdded] = [0, 0];
  const order = Uint32Array.from(merged.items, () => {
    const candidate = addedOrder[nextAdded];
    const takesSorted = next < count && (candidate === undefined || compareSequences(merged, next, candidate) < 0);
    return takesSorted ? next++ : (addedOrder[nextAdded++] as number);
  });
  return [merged, order];
}

function concat(first: Int32Array, second: Int32Array): Int32Array {
  const joint = new Int32Array(first.length + second.length);
  joint.set(first);
  joint.set(second, first.length);
  return joint;
}

/**
 * The trie of sequences that are visited in lexicographic order. Each sequence opens the nodes that it does not share with
 * the one before, and at every depth nodes are opened in the order of their numbers.
 */
export function growTrie(catalogue: Catalogue, order: Uint32Array): TrieArrays {
  const shared = sharedLengths(catalogue, order);
  const levels = countLevels(catalogue, order, shared);
  const nodeCount = levels.nodeStarts[levels.nodeStarts.length - 1] as number;
  const leafCount = levels.leafStarts[levels.leafStarts.length - 1] as number;
  const arrays: GrowingTrie = {
    edgeOffsets: new Int32Array(nodeCount + 1),
    edgeTokens: new Int32Array(nodeCount - 1),
    leafNodes: new Int32Array(leafCount),
    itemOffsets: new Int32Array(leafCount + 1),
    leafItems: new Int32Array(order.length),
  };
  fillNodes(arrays, catalogue, order, shared, levels);
  return { ...arrays, edgeOffsets: RisingOffsets.fromArray(arrays.edgeOffsets) };
}

interface GrowingTrie extends Omit<TrieArrays, 'edgeOffsets'> {
  edgeOffsets: Int32Array;
}

/** How many tokens each sequence shares with the one before it; for the same sequence again, all of them. */
function sharedLengths({ offsets, tokens }: Catalogue, order: Uint32Array): Int32Array {
  const shared = new Int32Array(order.length);
  for (let index = 1; index < order.length; index++) {
    const [before, here] = [order[index - 1] as number, order[index] as number];
    const [beforeBegin, begin] = [offsets[before] as number, offsets[here] as number];
    const beforeLength = (offsets[before + 1] as number) - beforeBegin;
    const length = (offsets[here + 1] as number) - begin;
    let common = 0;
    while (common < beforeLength && common < length && tokens[beforeBegin + common] === tokens[begin + common])
      common++;
    if (common === beforeLength && common < length) refusePrefix(before, here);
    shared[index] = common;
  }
  return shared;
}

function refusePrefix(shorter: number, longer: number): never {
  const received = `sequence ${shorter} is the beginning of sequence ${longer}`;
  fail('ERR_BEAR_SEQUENCE_PREFIX', 'sequences', 'an end token at the end of every sequence', received);
}

function increment(counts: Int32Array, index: number, by = 1): void {
  counts[index] = (counts[index] as number) + by;
}

interface Levels {
  /** The number of the first node of each depth, and the number of all nodes. */
  nodeStarts: Int32Array;
  /** The same of leaves, and of items. */
  leafStarts: Int32Array;
  itemStarts: Int32Array;
}

function countLevels({ offsets }: Catalogue, order: Uint32Array, shared: Int32Array): Levels {
  const lengthOf = (index: number) => {
    const sequence = order[index] as number;
    return (offsets[sequence + 1] as number) - (offsets[sequence] as number);
  };
  let longest = 0;
  for (let index = 0; index < order.length; index++) longest = Math.max(longest, lengthOf(index));
  // Counts of depth d stand at d + 1, so that their running sum is the start of each depth.
  const nodes = new Int32Array(longest + 2);
  const leaves = new Int32Array(longest + 2);
  const items = new Int32Array(longest + 2);
  nodes[1] = 1;
  for (let index = 0; index < order.length; index++) {
    const [length, common] = [lengthOf(index), shared[index] as number];
    for (let depth = common + 1; depth <= length; depth++) increment(nodes, depth + 1);
    if (index === 0 || common < length) increment(leaves, length + 1);
    increment(items, length + 1);
  }
  const starts = (counts: Int32Array) => {
    for (let depth = 1; depth < counts.length; depth++) increment(counts, depth, counts[depth - 1]);
    return counts;
  };
  return { nodeStarts: starts(nodes), leafStarts: starts(leaves), itemStarts: starts(items) };
}

function fillNodes(
  { edgeOffsets, edgeTokens, leafNodes, itemOffsets, leafItems }: GrowingTrie,
  { offsets, tokens, items }: Catalogue,
  order: Uint32Array,
  shared: Int32Array,
  { nodeStarts, leafStarts, itemStarts }: Levels,
): void {
  const nextNode = nodeStarts.slice();
  const nextLeaf = leafStarts.slice();
  const nextItem = itemStarts.slice();
  nextNode[0] = 1;
  for (let index = 0; index < order.length; index++) {
    const sequence = order[index] as number;
    const begin = offsets[sequence] as number;
    const length = (offsets[sequence + 1] as number) - begin;
    const common = shared[index] as number;
    for (let depth = common + 1; depth <= length; depth++) {
      const node = nextNode[depth] as number;
      nextNode[depth] = node + 1;
      edgeTokens[node - 1] = tokens[begin + depth - 1] as number;
      // The parent is the node that was opened last one depth above. Its children are counted at the end of its range.
      increment(edgeOffsets, nextNode[depth - 1] as number);
    }
    if (index === 0 || common < length) {
      const leaf = nextLeaf[length] as number;
      nextLeaf[length] = leaf + 1;
      leafNodes[leaf] = (nextNode[length] as number) - 1;
      itemOffsets[leaf] = nextItem[length] as number;
    }
    const place = nextItem[length] as number;
    nextItem[length] = place + 1;
    leafItems[place] = items[sequence] as number;
  }
  for (let node = 0; node + 1 < edgeOffsets.length; node++) increment(edgeOffsets, node + 1, edgeOffsets[node]);
  itemOffsets[leafNodes.length] = leafItems.length;
}

/** The sequences of a trie in lexicographic order. */
export function sequencesOf({ edgeOffsets, edgeTokens, leafNodes, itemOffsets, leafItems }: TrieArrays): Catalogue {
  const edges = edgeOffsets.toArray();
  const leafIndex = new Int32Array(edges.length - 1);
  leafNodes.forEach((node, leaf) => {
    leafIndex[node] = leaf;
  });
  const [offsets, tokens, items] = [new IdBuffer(), new IdBuffer(), new IdBuffer()];
  offsets.push(0);
  const path: number[] = [];
  const open = [{ node: 0, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next;
    path.length = depth;
    if (depth > 0) path[depth - 1] = edgeTokens[node - 1] as number;
    const [begin, end] = [edges[node] as number, edges[node + 1] as number];
    for (let child = end; child > begin; child--) open.push({ node: child, depth: depth + 1 });
    if (begin < end) continue;
    const leaf = leafIndex[node] as number;
    for (let place = itemOffsets[leaf] as number; place < (itemOffsets[leaf + 1] as number); place++) {
      for (const token of path) tokens.push(token);
      offsets.push(tokens.length);
      items.push(leafItems[place] as number);
    }
  }
  return { offsets: offsets.take(), tokens: tokens.take(), items: items.take() };
}
