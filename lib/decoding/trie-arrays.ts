// From token sequences to the arrays of a trie, in time linear in their tokens once they are sorted.
import { bearError } from '../options/errors.js';
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
  return order.sort((a, b) => compareSequences(catalogue, a, catalogue, b));
}

function compareSequences(left: Catalogue, a: number, right: Catalogue, b: number): number {
  const leftBegin = left.offsets[a] as number;
  const rightBegin = right.offsets[b] as number;
  const leftLength = (left.offsets[a + 1] as number) - leftBegin;
  const rightLength = (right.offsets[b + 1] as number) - rightBegin;
  const shared = Math.min(leftLength, rightLength);
  for (let position = 0; position < shared; position++) {
    const difference = (left.tokens[leftBegin + position] as number) - (right.tokens[rightBegin + position] as number);
    if (difference !== 0) return difference;
  }
  return leftLength - rightLength || (left.items[a] as number) - (right.items[b] as number);
}

/** Two catalogues, the first of them in lexicographic order, as one in that order. */
export function mergeCatalogues(sorted: Catalogue, added: Catalogue): Catalogue {
  const order = lexicographicOrder(added);
  const count = sorted.items.length + added.items.length;
  const merged = emptyCatalogue(count, sorted.tokens.length + added.tokens.length);
  let [next, nextAdded] = [0, 0];
  for (let index = 0; index < count; index++) {
    const candidate = order[nextAdded];
    const takesSorted =
      next < sorted.items.length && (candidate === undefined || compareSequences(sorted, next, added, candidate) < 0);
    if (takesSorted) copySequence(merged, index, sorted, next++);
    else copySequence(merged, index, added, order[nextAdded++] as number);
  }
  return merged;
}

/** The sequences whose items pass, in their order. */
export function filterCatalogue(catalogue: Catalogue, keeps: (item: number) => boolean): Catalogue {
  let [count, tokens] = [0, 0];
  const isKept = Uint8Array.from(catalogue.items, (item, index) => {
    if (!keeps(item)) return 0;
    count++;
    tokens += (catalogue.offsets[index + 1] as number) - (catalogue.offsets[index] as number);
    return 1;
  });
  const kept = emptyCatalogue(count, tokens);
  let next = 0;
  isKept.forEach((flag, index) => {
    if (flag === 1) copySequence(kept, next++, catalogue, index);
  });
  return kept;
}

function emptyCatalogue(count: number, tokens: number): Catalogue {
  return { offsets: new Int32Array(count + 1), tokens: new Int32Array(tokens), items: new Int32Array(count) };
}

/** Sequences are written from the first to the last. */
function copySequence(to: Catalogue, index: number, from: Catalogue, source: number): void {
  const begin = from.offsets[source] as number;
  const length = (from.offsets[source + 1] as number) - begin;
  const target = to.offsets[index] as number;
  for (let position = 0; position < length; position++) {
    to.tokens[target + position] = from.tokens[begin + position] as number;
  }
  to.offsets[index + 1] = target + length;
  to.items[index] = from.items[source] as number;
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
    if (common === beforeLength && common < length) throw prefixError(before, here);
    shared[index] = common;
  }
  return shared;
}

function prefixError(shorter: number, longer: number): Error {
  return bearError('ERR_BEAR_SEQUENCE_PREFIX', {
    argument: 'sequences',
    expected: 'an end token at the end of every sequence',
    received: `sequence ${shorter} is the beginning of sequence ${longer}`,
  });
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
export function sequencesOf(arrays: TrieArrays): Catalogue {
  const { edgeTokens, leafNodes, itemOffsets, leafItems } = arrays;
  const edgeOffsets = arrays.edgeOffsets.toArray();
  const leafIndex = new Int32Array(edgeOffsets.length - 1);
  leafNodes.forEach((node, leaf) => {
    leafIndex[node] = leaf;
  });
  const path: number[] = [];
  const nextChild: number[] = [1];
  const nodes: number[] = [0];
  const catalogue = emptyCatalogue(leafItems.length, totalTokens(edgeOffsets, leafNodes, itemOffsets));
  let written = 0;
  while (nodes.length > 0) {
    const node = nodes[nodes.length - 1] as number;
    const end = (edgeOffsets[node + 1] as number) + 1;
    const child = nextChild[nextChild.length - 1] as number;
    if ((edgeOffsets[node] as number) === end - 1) {
      const leaf = leafIndex[node] as number;
      for (let place = itemOffsets[leaf] as number; place < (itemOffsets[leaf + 1] as number); place++) {
        const target = catalogue.offsets[written] as number;
        catalogue.tokens.set(path, target);
        catalogue.items[written] = leafItems[place] as number;
        catalogue.offsets[++written] = target + path.length;
      }
    }
    if (child < end) {
      nextChild[nextChild.length - 1] = child + 1;
      path.push(edgeTokens[child - 1] as number);
      nodes.push(child);
      nextChild.push((edgeOffsets[child] as number) + 1);
    } else {
      nodes.pop();
      nextChild.pop();
      path.pop();
    }
  }
  return catalogue;
}

function totalTokens(edgeOffsets: Int32Array, leafNodes: Int32Array, itemOffsets: Int32Array): number {
  let total = 0;
  let depth = 0;
  // The nodes of a depth are consecutive, and so are their leaves.
  let [begin, end] = [0, 1];
  let leaf = 0;
  while (begin < end) {
    for (; leaf < leafNodes.length && (leafNodes[leaf] as number) < end; leaf++) {
      total += depth * ((itemOffsets[leaf + 1] as number) - (itemOffsets[leaf] as number));
    }
    [begin, end] = [(edgeOffsets[begin] as number) + 1, (edgeOffsets[end] as number) + 1];
    depth++;
  }
  return total;
}
