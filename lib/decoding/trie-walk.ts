import type { TokenLists, TrieArrays } from './trie-arrays.js';

/**
 * The questions of a search to a trie. Nothing is checked: nodes are those of the trie, and a walk from any other number
 * need not end. `TokenTrie` checks what callers ask.
 */
export class TrieWalk {
  static readonly root = 0;

  /** All item ids, ascending, and the leaf of each; made when it is first asked for. */
  private itemIndex: { items: Int32Array; leaves: Int32Array } | undefined;

  constructor(readonly arrays: TrieArrays) {}

  get nodeCount(): number {
    return this.arrays.edgeOffsets.length - 1;
  }

  /** Bytes of its arrays. */
  get byteLength(): number {
    const arrays = [...Object.values(this.arrays), ...Object.values(this.itemIndex ?? {})] as { byteLength: number }[];
    return arrays.reduce((sum, array) => sum + array.byteLength, 0);
  }

  /** Tokens of the longest sequence. */
  get maxDepth(): number {
    const { edgeOffsets } = this.arrays;
    let depth = -1;
    // The nodes of a depth are consecutive.
    for (let [begin, end] = [0, 1]; begin < end; depth++) {
      [begin, end] = [edgeOffsets.at(begin) + 1, edgeOffsets.at(end) + 1];
    }
    return depth;
  }

  childCount(node: number): number {
    return this.arrays.edgeOffsets.at(node + 1) - this.arrays.edgeOffsets.at(node);
  }

  childTokens(node: number): Int32Array {
    const { edgeOffsets, edgeTokens } = this.arrays;
    return edgeTokens.subarray(edgeOffsets.at(node), edgeOffsets.at(node + 1));
  }

  firstChild(node: number): number {
    return this.arrays.edgeOffsets.at(node) + 1;
  }

  /** -1 where there is none. */
  child(node: number, token: number): number {
    const { edgeOffsets, edgeTokens } = this.arrays;
    const end = edgeOffsets.at(node + 1);
    const edge = lowerBound(edgeTokens, token, edgeOffsets.at(node), end);
    return edge < end && edgeTokens[edge] === token ? edge + 1 : -1;
  }

  isLeaf(node: number): boolean {
    return this.childCount(node) === 0;
  }

  /** -1 for the root. */
  parent(node: number): number {
    if (node === TrieWalk.root) return -1;
    // The first node whose edges end after the edge into this one.
    const { edgeOffsets } = this.arrays;
    let [low, high] = [0, node];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (edgeOffsets.at(middle + 1) < node) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** -1 for the root. */
  lastToken(node: number): number {
    return node === TrieWalk.root ? -1 : at(this.arrays.edgeTokens, node - 1);
  }

  path(node: number): number[] {
    const reversed: number[] = [];
    for (let prefix = node; prefix !== TrieWalk.root; prefix = this.parent(prefix)) {
      reversed.push(this.lastToken(prefix));
    }
    return reversed.reverse();
  }

  nextChoice(node: number): number {
    const { edgeOffsets } = this.arrays;
    for (let current = node; ; ) {
      const first = edgeOffsets.at(current);
      if (edgeOffsets.at(current + 1) - first !== 1) return current;
      current = first + 1;
    }
  }

  /** Empty for an inner node. */
  items(leaf: number): Int32Array {
    const { leafNodes, itemOffsets, leafItems } = this.arrays;
    const index = lowerBound(leafNodes, leaf);
    if (leafNodes[index] !== leaf) return leafItems.subarray(0, 0);
    return leafItems.subarray(at(itemOffsets, index), at(itemOffsets, index + 1));
  }

  /** -1 for any number that is no item. */
  leafOf(item: number): number {
    const { items, leaves } = this.index();
    const place = lowerBound(items, item);
    return items[place] === item ? at(leaves, place) : -1;
  }

  allowed(nodes: ArrayLike<number>): TokenLists {
    const offsets = new Int32Array(nodes.length + 1);
    for (let row = 0; row < nodes.length; row++) {
      offsets[row + 1] = at(offsets, row) + this.childCount(at(nodes, row));
    }
    const tokens = new Int32Array(at(offsets, nodes.length));
    for (let row = 0; row < nodes.length; row++) tokens.set(this.childTokens(at(nodes, row)), at(offsets, row));
    return { offsets, tokens };
  }

  /** All item ids, ascending, and the leaf of each. */
  index(): { items: Int32Array; leaves: Int32Array } {
    this.itemIndex ??= indexItems(this.arrays);
    return this.itemIndex;
  }
}

/** The caller has checked the index. */
function at(array: ArrayLike<number>, index: number): number {
  return array[index] as number;
}

/** The first index from `begin` on whose value is not below `wanted`, or `end`. */
function lowerBound(ascending: Int32Array, wanted: number, begin = 0, end = ascending.length): number {
  let [low, high] = [begin, end];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(ascending, middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function indexItems({ leafNodes, itemOffsets, leafItems }: TrieArrays): { items: Int32Array; leaves: Int32Array } {
  const leafOfPlace = new Int32Array(leafItems.length);
  leafNodes.forEach((node, leaf) => {
    leafOfPlace.fill(node, at(itemOffsets, leaf), at(itemOffsets, leaf + 1));
  });
  const places = Uint32Array.from(leafItems, (_, place) => place).sort((a, b) => at(leafItems, a) - at(leafItems, b));
  return {
    items: Int32Array.from(places, (place) => at(leafItems, place)),
    leaves: Int32Array.from(places, (place) => at(leafOfPlace, place)),
  };
}
