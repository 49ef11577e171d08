import { decodingError } from './decoding-error.js';
import {
  type Catalogue,
  filterCatalogue,
  growTrie,
  isId,
  lexicographicOrder,
  mergeCatalogues,
  sequencesOf,
  type TokenLists,
  type TrieArrays,
} from './trie-arrays.js';
import { parseTrie, serializeTrie } from './trie-format.js';

export type { TokenLists } from './trie-arrays.js';

/**
 * The prefixes of a catalogue of items, each item a sequence of token ids. Inner nodes are prefixes, leaves are complete
 * sequences. Items with equal sequences share a leaf.
 *
 * A node is a number: breadth-first, children by ascending token, the root 0. So the children of a node are consecutive, and
 * the tokens that lead to them are a slice of one typed array: the ascending list that the loss takes as `allowed`. A node
 * takes 8 bytes, an item 4 and a leaf 8; the first `leafOf` adds 8 an item.
 *
 * A trie never changes: `insert` and `remove` give a new one, and searches in the old one go on.
 */
export class TokenTrie {
  static readonly root = 0;

  /** All item ids, ascending, and the leaf of each; made when it is first asked for. */
  private itemIndex: { items: Int32Array; leaves: Int32Array } | undefined;

  private constructor(private readonly arrays: TrieArrays) {}

  /**
   * Builds the trie of `sequences`, where sequence `i` belongs to item `items[i]` (default: `i`).
   *
   * No sequence may be the beginning of another: end each one with an end token.
   *
   * @throws RangeError `ERR_BEAR_SHAPE` for no sequences, an empty one, or a count of `items` that differs;
   *   `ERR_BEAR_TOKEN` for a token or item that is not an integer in [0, 2^31); `ERR_BEAR_ITEM_REPEATED` for an item that
   *   occurs twice; `ERR_BEAR_SEQUENCE_PREFIX` for a sequence that begins another one.
   */
  static fromSequences(sequences: ArrayLike<ArrayLike<number>>, items?: ArrayLike<number>): TokenTrie {
    return TokenTrie.fromCatalogue(checkedCatalogue(sequences, items));
  }

  /** The same from sequences that lie in one array. */
  static fromLists({ offsets, tokens }: TokenLists, items?: ArrayLike<number>): TokenTrie {
    const isRising = offsets.every((offset, row) =>
      row === 0 ? offset === 0 : offset >= (offsets[row - 1] as number),
    );
    if (!isRising || offsets[offsets.length - 1] !== tokens.length) {
      const message = `expected offsets that rise from 0 to the number of tokens, ${tokens.length}`;
      throw decodingError('range', 'ERR_BEAR_SHAPE', 'sequences', message);
    }
    const catalogue = { offsets, tokens, items: checkedItems(offsets.length - 1, items) };
    checkTokens(catalogue);
    return TokenTrie.fromCatalogue(catalogue);
  }

  /**
   * The trie of `serialize`.
   *
   * @throws RangeError `ERR_BEAR_TRIE_FORMAT` for bytes of another kind or version, cut short or changed
   */
  static load(bytes: Uint8Array): TokenTrie {
    const trie = new TokenTrie(parseTrie(bytes));
    const { items } = trie.index();
    const repeated = items.findIndex((item, place) => place > 0 && item === items[place - 1]);
    if (repeated < 0) return trie;
    throw decodingError('range', 'ERR_BEAR_TRIE_FORMAT', 'bytes', `item ${items[repeated]} occurs more than once`);
  }

  private static fromCatalogue(catalogue: Catalogue): TokenTrie {
    return new TokenTrie(growTrie(catalogue, lexicographicOrder(catalogue)));
  }

  /** The trie as bytes for a file: versioned, little-endian, with a digest. */
  serialize(): Uint8Array {
    return serializeTrie(this.arrays);
  }

  /**
   * The trie with more items: in time linear in its tokens, so insert many at once.
   *
   * @throws as `fromSequences`, also where an item or a sequence does not go with those that are there
   */
  insert(sequences: ArrayLike<ArrayLike<number>>, items: ArrayLike<number>): TokenTrie {
    const added = checkedCatalogue(sequences, items);
    const known = added.items.find((item) => this.leafOf(item) >= 0);
    if (known !== undefined) {
      throw decodingError('range', 'ERR_BEAR_ITEM_REPEATED', 'items', `item ${known} is in the trie already`);
    }
    const merged = mergeCatalogues(sequencesOf(this.arrays), added);
    return new TokenTrie(
      growTrie(
        merged,
        Uint32Array.from(merged.items, (_, index) => index),
      ),
    );
  }

  /**
   * The trie without these items.
   *
   * @throws RangeError `ERR_BEAR_ITEM_UNKNOWN` for an item that is not in the trie; `ERR_BEAR_SHAPE` where none would be left
   */
  remove(items: ArrayLike<number>): TokenTrie {
    const removed = new Set(Array.from(items));
    const unknown = [...removed].find((item) => this.leafOf(item) < 0);
    if (unknown !== undefined) {
      throw decodingError('range', 'ERR_BEAR_ITEM_UNKNOWN', 'items', `item ${unknown} is not in the trie`);
    }
    if (removed.size === this.itemCount) {
      throw decodingError('range', 'ERR_BEAR_SHAPE', 'items', 'expected at least one item to stay');
    }
    const kept = filterCatalogue(sequencesOf(this.arrays), (item) => !removed.has(item));
    return new TokenTrie(
      growTrie(
        kept,
        Uint32Array.from(kept.items, (_, index) => index),
      ),
    );
  }

  get nodeCount(): number {
    return this.arrays.edgeOffsets.length - 1;
  }

  get leafCount(): number {
    return this.arrays.leafNodes.length;
  }

  get itemCount(): number {
    return this.arrays.leafItems.length;
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

  /** The tokens that may follow the prefix `node`, ascending. A view, not a copy. */
  childTokens(node: number): Int32Array {
    const { edgeOffsets, edgeTokens } = this.arrays;
    return edgeTokens.subarray(edgeOffsets.at(node), edgeOffsets.at(node + 1));
  }

  /** The child by the first of `childTokens(node)`; the others follow it one by one. */
  firstChild(node: number): number {
    return this.arrays.edgeOffsets.at(node) + 1;
  }

  /** The child of `node` by `token`, or -1. */
  child(node: number, token: number): number {
    const { edgeOffsets, edgeTokens } = this.arrays;
    const end = edgeOffsets.at(node + 1);
    const edge = lowerBound(edgeTokens, token, edgeOffsets.at(node), end);
    return edge < end && edgeTokens[edge] === token ? edge + 1 : -1;
  }

  /** The node that `tokens` lead to from `from`, or -1. */
  find(tokens: ArrayLike<number>, from: number = TokenTrie.root): number {
    let node = from;
    for (let index = 0; index < tokens.length && node >= 0; index++) node = this.child(node, at(tokens, index));
    return node;
  }

  isLeaf(node: number): boolean {
    return this.childCount(node) === 0;
  }

  /** The prefix one token shorter; -1 for the root. */
  parent(node: number): number {
    if (node === TokenTrie.root) return -1;
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

  /** The last token of the prefix `node`; -1 for the root. */
  lastToken(node: number): number {
    return node === TokenTrie.root ? -1 : at(this.arrays.edgeTokens, node - 1);
  }

  /** All tokens of the prefix `node`. */
  path(node: number): number[] {
    const reversed: number[] = [];
    for (let prefix = node; prefix !== TokenTrie.root; prefix = this.parent(prefix)) {
      reversed.push(this.lastToken(prefix));
    }
    return reversed.reverse();
  }

  /** The first node at or below `node` that leaves a choice, or the leaf that everything below it is forced to. */
  nextChoice(node: number): number {
    const { edgeOffsets } = this.arrays;
    for (let current = node; ; ) {
      const first = edgeOffsets.at(current);
      if (edgeOffsets.at(current + 1) - first !== 1) return current;
      current = first + 1;
    }
  }

  /** The ids of the items that end in `leaf`, ascending; empty for an inner node. A view, not a copy. */
  items(leaf: number): Int32Array {
    const { leafNodes, itemOffsets, leafItems } = this.arrays;
    const index = lowerBound(leafNodes, leaf);
    if (leafNodes[index] !== leaf) return leafItems.subarray(0, 0);
    return leafItems.subarray(at(itemOffsets, index), at(itemOffsets, index + 1));
  }

  /** The leaf of an item, or -1 where the catalogue has no such item. */
  leafOf(item: number): number {
    const { items, leaves } = this.index();
    const place = lowerBound(items, item);
    return items[place] === item ? at(leaves, place) : -1;
  }

  /** The children of each node: what the loss takes as `allowed` for rows that stand at `nodes`. */
  allowed(nodes: ArrayLike<number>): TokenLists {
    const offsets = new Int32Array(nodes.length + 1);
    for (let row = 0; row < nodes.length; row++) {
      offsets[row + 1] = at(offsets, row) + this.childCount(at(nodes, row));
    }
    const tokens = new Int32Array(at(offsets, nodes.length));
    for (let row = 0; row < nodes.length; row++) tokens.set(this.childTokens(at(nodes, row)), at(offsets, row));
    return { offsets, tokens };
  }

  private index(): { items: Int32Array; leaves: Int32Array } {
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

function checkedItems(count: number, items: ArrayLike<number> | undefined): Int32Array {
  if (count < 1) throw decodingError('range', 'ERR_BEAR_SHAPE', 'sequences', 'expected at least one, got none');
  if (items === undefined) return Int32Array.from({ length: count }, (_, index) => index);
  if (items.length !== count) {
    const message = `expected one id for each of the ${count} sequences, got ${items.length}`;
    throw decodingError('range', 'ERR_BEAR_SHAPE', 'items', message);
  }
  for (let index = 0; index < items.length; index++) {
    if (!isId(at(items, index))) {
      const message = `expected integers in [0, 2^31), got ${items[index]} at ${index}`;
      throw decodingError('range', 'ERR_BEAR_TOKEN', 'items', message);
    }
  }
  const ids = Int32Array.from(items);
  const ascending = ids.toSorted();
  const repeated = ascending.find((id, index) => index > 0 && id === ascending[index - 1]);
  if (repeated !== undefined) {
    throw decodingError('range', 'ERR_BEAR_ITEM_REPEATED', 'items', `item ${repeated} occurs more than once`);
  }
  return ids;
}

function checkedCatalogue(sequences: ArrayLike<ArrayLike<number>>, items: ArrayLike<number> | undefined): Catalogue {
  const ids = checkedItems(sequences.length, items);
  const offsets = new Int32Array(sequences.length + 1);
  for (let index = 0; index < sequences.length; index++) {
    offsets[index + 1] = at(offsets, index) + (sequences[index] as ArrayLike<number>).length;
  }
  // A Float64Array, so that what is no integer is still seen to be none.
  const tokens = new Float64Array(at(offsets, sequences.length));
  for (let index = 0; index < sequences.length; index++) {
    tokens.set(sequences[index] as ArrayLike<number>, at(offsets, index));
  }
  checkTokens({ offsets, tokens });
  return { offsets, tokens: Int32Array.from(tokens), items: ids };
}

function checkTokens({ offsets, tokens }: { offsets: Int32Array; tokens: ArrayLike<number> }): void {
  for (let index = 0; index + 1 < offsets.length; index++) {
    const [begin, end] = [at(offsets, index), at(offsets, index + 1)];
    if (begin === end) throw decodingError('range', 'ERR_BEAR_SHAPE', 'sequences', `sequence ${index} is empty`);
    for (let place = begin; place < end; place++) {
      if (isId(at(tokens, place))) continue;
      const message = `expected tokens in [0, 2^31), got ${tokens[place]} in sequence ${index} at ${place - begin}`;
      throw decodingError('range', 'ERR_BEAR_TOKEN', 'sequences', message);
    }
  }
}
