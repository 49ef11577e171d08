import { decodingError } from './decoding-error.js';

/** One list of token ids per row, as compressed rows: row `i` is `tokens[offsets[i] .. offsets[i + 1])`. */
export interface TokenLists {
  /** `[rows + 1]`, rising from 0. */
  offsets: Int32Array;
  tokens: Int32Array;
}

/**
 * The prefixes of a catalogue of items, each item a sequence of token ids. Inner nodes are prefixes, leaves are complete
 * sequences. Items with equal sequences share a leaf.
 *
 * Nodes are numbered in breadth-first order, children by ascending token, and the root is 0. So the children of a node are
 * consecutive, the edge into node `n` is edge `n - 1`, and the whole tree is two typed arrays: where each node's edges begin
 * and the token on each edge. The edges of a node are at once the ascending list that the loss takes as `allowed`.
 */
export class TokenTrie {
  static readonly root = 0;

  private constructor(
    /** `[nodes + 1]`: the edges of node `n` are `edgeOffsets[n] .. edgeOffsets[n + 1]`. */
    private readonly edgeOffsets: Int32Array,
    /** `[nodes - 1]`: edge `e` leads to node `e + 1`. */
    private readonly edgeTokens: Int32Array,
    private readonly parents: Int32Array,
    /** `[leaves]`, ascending. */
    private readonly leafNodes: Int32Array,
    private readonly itemOffsets: Int32Array,
    /** Item ids leaf by leaf, ascending in a leaf. */
    private readonly leafItems: Int32Array,
    /** All item ids, ascending, and the leaf of each. */
    private readonly sortedItems: Int32Array,
    private readonly sortedItemLeaves: Int32Array,
  ) {}

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
    const ids = checkedItems(sequences, items);
    checkSequences(sequences);
    const order = lexicographicOrder(sequences, ids);
    const nodes = growNodes(sequences, order);
    return new TokenTrie(nodes.edgeOffsets, nodes.edgeTokens, nodes.parents, ...placeItems(nodes, order, ids));
  }

  get nodeCount(): number {
    return this.parents.length;
  }

  get leafCount(): number {
    return this.leafNodes.length;
  }

  get itemCount(): number {
    return this.leafItems.length;
  }

  childCount(node: number): number {
    return at(this.edgeOffsets, node + 1) - at(this.edgeOffsets, node);
  }

  /** The tokens that may follow the prefix `node`, ascending. A view, not a copy. */
  childTokens(node: number): Int32Array {
    return this.edgeTokens.subarray(at(this.edgeOffsets, node), at(this.edgeOffsets, node + 1));
  }

  /** The child by the first of `childTokens(node)`; the others follow it one by one. */
  firstChild(node: number): number {
    return at(this.edgeOffsets, node) + 1;
  }

  /** The child of `node` by `token`, or -1. */
  child(node: number, token: number): number {
    const tokens = this.childTokens(node);
    const index = lowerBound(tokens, token);
    return tokens[index] === token ? this.firstChild(node) + index : -1;
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
    return at(this.parents, node);
  }

  /** The last token of the prefix `node`; -1 for the root. */
  lastToken(node: number): number {
    return node === TokenTrie.root ? -1 : at(this.edgeTokens, node - 1);
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
    let current = node;
    while (this.childCount(current) === 1) current = this.firstChild(current);
    return current;
  }

  /** The ids of the items that end in `leaf`, ascending; empty for an inner node. A view, not a copy. */
  items(leaf: number): Int32Array {
    const index = lowerBound(this.leafNodes, leaf);
    if (this.leafNodes[index] !== leaf) return this.leafItems.subarray(0, 0);
    return this.leafItems.subarray(at(this.itemOffsets, index), at(this.itemOffsets, index + 1));
  }

  /** The leaf of an item, or -1 where the catalogue has no such item. */
  leafOf(item: number): number {
    const index = lowerBound(this.sortedItems, item);
    return this.sortedItems[index] === item ? at(this.sortedItemLeaves, index) : -1;
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
}

interface GrownNodes {
  edgeOffsets: Int32Array;
  edgeTokens: Int32Array;
  parents: Int32Array;
  /** Leaves in ascending order, and the range of `order` that each holds. */
  leaves: { node: number; first: number; end: number }[];
}

/** The caller has checked the index. */
function at(array: ArrayLike<number>, index: number): number {
  return array[index] as number;
}

/** The first index whose value is not below `wanted`. */
function lowerBound(ascending: Int32Array, wanted: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(ascending, middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 31;
}

function checkedItems(sequences: ArrayLike<ArrayLike<number>>, items: ArrayLike<number> | undefined): Int32Array {
  if (sequences.length === 0) {
    throw decodingError('range', 'ERR_BEAR_SHAPE', 'sequences', 'expected at least one, got none');
  }
  if (items === undefined) return Int32Array.from({ length: sequences.length }, (_, index) => index);
  if (items.length !== sequences.length) {
    const message = `expected one id for each of the ${sequences.length} sequences, got ${items.length}`;
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

function checkSequences(sequences: ArrayLike<ArrayLike<number>>): void {
  for (let index = 0; index < sequences.length; index++) {
    const sequence = sequences[index] as ArrayLike<number>;
    if (sequence.length === 0) {
      throw decodingError('range', 'ERR_BEAR_SHAPE', 'sequences', `sequence ${index} is empty`);
    }
    for (let position = 0; position < sequence.length; position++) {
      if (!isId(at(sequence, position))) {
        const message = `expected tokens in [0, 2^31), got ${sequence[position]} in sequence ${index} at ${position}`;
        throw decodingError('range', 'ERR_BEAR_TOKEN', 'sequences', message);
      }
    }
  }
}

/** Indices of the sequences in the order of their tokens; equal sequences by item id. */
function lexicographicOrder(sequences: ArrayLike<ArrayLike<number>>, ids: Int32Array): Uint32Array {
  return Uint32Array.from(ids, (_, index) => index).sort((a, b) => {
    const left = sequences[a] as ArrayLike<number>;
    const right = sequences[b] as ArrayLike<number>;
    const shared = Math.min(left.length, right.length);
    for (let position = 0; position < shared; position++) {
      const difference = at(left, position) - at(right, position);
      if (difference !== 0) return difference;
    }
    return left.length - right.length || at(ids, a) - at(ids, b);
  });
}

/** Every node is a range of the sorted sequences that share its prefix; children are the runs of equal next tokens. */
function growNodes(sequences: ArrayLike<ArrayLike<number>>, order: Uint32Array): GrownNodes {
  let tokenCount = 0;
  for (let index = 0; index < sequences.length; index++) tokenCount += (sequences[index] as ArrayLike<number>).length;
  const most = tokenCount + 1;
  const first = new Int32Array(most);
  const end = new Int32Array(most);
  const depth = new Int32Array(most);
  const parents = new Int32Array(most);
  const edgeOffsets = new Int32Array(most + 1);
  const edgeTokens = new Int32Array(most);
  const leaves: GrownNodes['leaves'] = [];
  const sequenceAt = (index: number) => sequences[at(order, index)] as ArrayLike<number>;
  end[0] = order.length;
  parents[0] = -1;
  let nodes = 1;
  for (let node = 0; node < nodes; node++) {
    const position = at(depth, node);
    const stop = at(end, node);
    let run = at(first, node);
    if (sequenceAt(run).length === position) {
      if (sequenceAt(stop - 1).length > position) throw prefixError(at(order, run), at(order, stop - 1));
      leaves.push({ node, first: run, end: stop });
      run = stop;
    }
    while (run < stop) {
      const token = at(sequenceAt(run), position);
      const begin = run;
      while (run < stop && at(sequenceAt(run), position) === token) run++;
      edgeTokens[nodes - 1] = token;
      first[nodes] = begin;
      end[nodes] = run;
      depth[nodes] = position + 1;
      parents[nodes] = node;
      nodes++;
    }
    edgeOffsets[node + 1] = nodes - 1;
  }
  return {
    edgeOffsets: edgeOffsets.slice(0, nodes + 1),
    edgeTokens: edgeTokens.slice(0, nodes - 1),
    parents: parents.slice(0, nodes),
    leaves,
  };
}

function prefixError(shorter: number, longer: number): Error {
  const message = `sequence ${shorter} is the beginning of sequence ${longer}; end every sequence with an end token`;
  return decodingError('range', 'ERR_BEAR_SEQUENCE_PREFIX', 'sequences', message);
}

function placeItems(
  { leaves }: GrownNodes,
  order: Uint32Array,
  ids: Int32Array,
): [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array] {
  const leafNodes = Int32Array.from(leaves, ({ node }) => node);
  const itemOffsets = new Int32Array(leaves.length + 1);
  const leafItems = new Int32Array(ids.length);
  const leafOfSequence = new Int32Array(ids.length);
  let placed = 0;
  leaves.forEach(({ node, first, end }, index) => {
    for (let sorted = first; sorted < end; sorted++) {
      const sequence = at(order, sorted);
      leafItems[placed++] = at(ids, sequence);
      leafOfSequence[sequence] = node;
    }
    itemOffsets[index + 1] = placed;
  });
  const byItem = Uint32Array.from(ids, (_, index) => index).sort((a, b) => at(ids, a) - at(ids, b));
  const sortedItems = Int32Array.from(byItem, (index) => at(ids, index));
  const sortedItemLeaves = Int32Array.from(byItem, (index) => at(leafOfSequence, index));
  return [leafNodes, itemOffsets, leafItems, sortedItems, sortedItemLeaves];
}
