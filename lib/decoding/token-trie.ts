import { fail, refuse } from '../options/errors.js';
import { forEachElement, readNumbers } from '../options/reading.js';
import { codeFor, idError, isId } from './ids.js';
import { readCatalogue, readLists, refuseRepeated } from './read-catalogue.js';
import {
  type Catalogue,
  growTrie,
  lexicographicOrder,
  mergeCatalogues,
  sequencesOf,
  type TokenLists,
} from './trie-arrays.js';
import { parseTrie, refuseBytes, serializeTrie } from './trie-format.js';
import { TrieWalk } from './trie-walk.js';

export type { TokenLists } from './trie-arrays.js';

let walkOf: (trie: unknown, argument?: string) => TrieWalk;

/**
 * The prefixes of a catalogue of items, each item a sequence of token ids. Inner nodes are prefixes, leaves are complete
 * sequences. Items with equal sequences share a leaf.
 *
 * A node is a number: breadth-first, children by ascending token, the root 0. So the children of a node are consecutive, and
 * the tokens that lead to them are a slice of one typed array: the ascending list that the loss takes as `allowed`. A node
 * takes 4.4 bytes, an item 4 and a leaf 8; the first `leafOf` adds 8 an item.
 *
 * A trie never changes: `insert` and `remove` give a new one, and searches in the old one go on.
 *
 * Every method checks its arguments. A node that the trie does not have is a RangeError `ERR_BEAR_TRIE_NODE`, a token or an
 * item that is no integer in [0, 2^31) a RangeError `ERR_BEAR_TOKEN`, and what is no number a TypeError
 * `ERR_BEAR_ARGUMENT_TYPE`. -1 from `child`, `find`, `leafOf` and `parent` means that there is no such node. It is
 * not a node itself, and every method refuses it.
 *
 * @example
 * const trie = TokenTrie.fromSequences([[5, 2, 1], [5, 3, 1]], [101, 102]);
 */
export class TokenTrie {
  static readonly root = TrieWalk.root;

  readonly #walk: TrieWalk;

  static {
    walkOf = (trie, argument = 'this') => {
      if (typeof trie === 'object' && trie !== null && #walk in trie) return trie.#walk;
      return refuse('ERR_BEAR_ARGUMENT_TYPE', argument, 'a TokenTrie of this copy of the package', trie);
    };
  }

  private constructor(walk: TrieWalk) {
    this.#walk = walk;
  }

  /**
   * Builds the trie of `sequences`, where sequence `i` belongs to item `items[i]` (default: `i`).
   *
   * No sequence may be the beginning of another: end each one with an end token.
   *
   * @throws RangeError `ERR_BEAR_SHAPE` for no sequences, an empty one, or a count of `items` that differs;
   *   `ERR_BEAR_TOKEN` for a token or item that is not an integer in [0, 2^31); `ERR_BEAR_ITEM_REPEATED` for an item that
   *   occurs twice; `ERR_BEAR_SEQUENCE_PREFIX` for a sequence that begins another one. TypeError `ERR_BEAR_ARGUMENT_TYPE`
   *   for anything that is no list of numbers.
   */
  static fromSequences(sequences: ArrayLike<ArrayLike<number>>, items?: ArrayLike<number>): TokenTrie {
    return TokenTrie.#grow(readCatalogue(sequences, items));
  }

  /** The same from sequences that lie in one array. */
  static fromLists(lists: TokenLists, items?: ArrayLike<number>): TokenTrie {
    return TokenTrie.#grow(readLists(lists, items));
  }

  /**
   * The trie of `serialize`.
   *
   * @throws RangeError `ERR_BEAR_TRIE_FORMAT` for bytes of another kind or version, cut short or changed
   */
  static load(bytes: Uint8Array): TokenTrie {
    const walk = new TrieWalk(parseTrie(bytes));
    const { items } = walk.index();
    const repeated = items.findIndex((item, place) => place > 0 && item === items[place - 1]);
    if (repeated < 0) return new TokenTrie(walk);
    refuseBytes(`item ${items[repeated]} more than once`);
  }

  /** Of the sequences in `order`, which is lexicographic. */
  static #grow(catalogue: Catalogue, order = lexicographicOrder(catalogue)): TokenTrie {
    return new TokenTrie(new TrieWalk(growTrie(catalogue, order)));
  }

  /** The trie as bytes for a file: versioned, little-endian, with a digest. */
  serialize(): Uint8Array {
    return serializeTrie(walkOf(this).arrays);
  }

  /**
   * The trie with more items: in time linear in its tokens, so insert many at once.
   *
   * @throws as `fromSequences`, also where an item or a sequence does not go with those that are there
   */
  insert(sequences: ArrayLike<ArrayLike<number>>, items: ArrayLike<number>): TokenTrie {
    const added = readCatalogue(sequences, items);
    const walk = walkOf(this);
    const known = added.items.find((item) => walk.leafOf(item) >= 0);
    if (known !== undefined) refuseRepeated(`item ${known}, which is in the trie already`);
    return TokenTrie.#grow(...mergeCatalogues(sequencesOf(walk.arrays), added));
  }

  /**
   * The trie without these items.
   *
   * @throws RangeError `ERR_BEAR_ITEM_UNKNOWN` for an item that is not in the trie; `ERR_BEAR_SHAPE` where none would be left
   */
  remove(items: ArrayLike<number>): TokenTrie {
    const walk = walkOf(this);
    const removed = new Set(readNumbers(items, 'items'));
    const unknown = [...removed].find((item) => walk.leafOf(item) < 0);
    if (unknown !== undefined) refuse('ERR_BEAR_ITEM_UNKNOWN', 'items', 'items of the trie', unknown);
    if (removed.size === walk.arrays.leafItems.length) {
      fail('ERR_BEAR_SHAPE', 'items', 'at least one item to stay', 'all');
    }
    const catalogue = sequencesOf(walk.arrays);
    const order = Uint32Array.from(catalogue.items, (_, index) => index);
    return TokenTrie.#grow(
      catalogue,
      order.filter((index) => !removed.has(catalogue.items[index] as number)),
    );
  }

  get nodeCount(): number {
    return walkOf(this).nodeCount;
  }

  get leafCount(): number {
    return walkOf(this).arrays.leafNodes.length;
  }

  get itemCount(): number {
    return walkOf(this).arrays.leafItems.length;
  }

  /** Bytes of its arrays. */
  get byteLength(): number {
    return walkOf(this).byteLength;
  }

  /** Tokens of the longest sequence. */
  get maxDepth(): number {
    return walkOf(this).maxDepth;
  }

  childCount(node: number): number {
    const walk = walkOf(this);
    return walk.childCount(checkNode(walk, node));
  }

  /** The tokens that may follow the prefix `node`, ascending. A view, not a copy: do not write to it. */
  childTokens(node: number): Int32Array {
    const walk = walkOf(this);
    return walk.childTokens(checkNode(walk, node));
  }

  /** The child by the first of `childTokens(node)`; the others follow it one by one. For a leaf it means nothing. */
  firstChild(node: number): number {
    const walk = walkOf(this);
    return walk.firstChild(checkNode(walk, node));
  }

  /** The child of `node` by `token`, or -1. */
  child(node: number, token: number): number {
    const walk = walkOf(this);
    return walk.child(checkNode(walk, node), checkId(token, 'token'));
  }

  /** The node that `tokens` lead to from `from`, or -1. */
  find(tokens: ArrayLike<number>, from: number = TokenTrie.root): number {
    const walk = walkOf(this);
    let node = checkNode(walk, from, 'from');
    forEachElement(tokens, 'tokens', 'tokens', (token, index) => {
      if (!isId(token)) throw idError('tokens', token, ` at index ${index}`);
      if (node >= 0) node = walk.child(node, token);
    });
    return node;
  }

  isLeaf(node: number): boolean {
    const walk = walkOf(this);
    return walk.isLeaf(checkNode(walk, node));
  }

  /** The prefix one token shorter; -1 for the root. */
  parent(node: number): number {
    const walk = walkOf(this);
    return walk.parent(checkNode(walk, node));
  }

  /** The last token of the prefix `node`; -1 for the root. */
  lastToken(node: number): number {
    const walk = walkOf(this);
    return walk.lastToken(checkNode(walk, node));
  }

  /** All tokens of the prefix `node`. */
  path(node: number): number[] {
    const walk = walkOf(this);
    return walk.path(checkNode(walk, node));
  }

  /** The first node at or below `node` that leaves a choice, or the leaf that everything below it is forced to. */
  nextChoice(node: number): number {
    const walk = walkOf(this);
    return walk.nextChoice(checkNode(walk, node));
  }

  /** The ids of the items that end in `leaf`, ascending; empty for an inner node. A view, not a copy: do not write to it. */
  items(leaf: number): Int32Array {
    const walk = walkOf(this);
    return walk.items(checkNode(walk, leaf, 'leaf'));
  }

  /** The leaf of an item, or -1 where the catalogue has no such item. */
  leafOf(item: number): number {
    return walkOf(this).leafOf(checkId(item, 'item'));
  }

  /** The children of each node: what the loss takes as `allowed` for rows that stand at `nodes`. */
  allowed(nodes: ArrayLike<number>): TokenLists {
    const walk = walkOf(this);
    const checked: number[] = [];
    forEachElement(nodes, 'nodes', 'nodes', (node) => checked.push(checkNode(walk, node, 'nodes')));
    return walk.allowed(checked);
  }
}

/** What a search walks, without checks; throws unless it is a trie. */
export function readTrie(trie: unknown): TrieWalk {
  return walkOf(trie, 'trie');
}

function checkId(value: unknown, argument: string): number {
  if (isId(value)) return value;
  throw idError(argument, value);
}

/** The node; throws unless the trie has it. */
function checkNode(walk: TrieWalk, node: unknown, argument = 'node'): number {
  const count = walk.nodeCount;
  if (isId(node) && node < count) return node;
  return refuse(codeFor(node, 'ERR_BEAR_TRIE_NODE'), argument, `a node of the trie, from 0 to ${count - 1}`, node);
}
