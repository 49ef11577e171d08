/** Walks a trie by every method and compares what they return with a naive trie of the same sequences. */
import { TokenTrie } from '../../../lib/decoding/index';
import { breadthFirst, type Entry, type NaiveNode, naiveTrie } from './naive-trie';

export class Mismatch extends Error {}

function expectEqual(what: string, got: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  if (a !== b) throw new Mismatch(`${what}: got ${a}, expected ${b}`);
}

const MOST_ID = 2 ** 31 - 1;

/** Tokens that are not among the children of a node, but close to them. */
function absentTokens(node: NaiveNode): number[] {
  const near = [...node.children.keys()].flatMap((token) => [token - 1, token + 1]);
  return [...near, 0, MOST_ID].filter((token) => token >= 0 && token <= MOST_ID && !node.children.has(token));
}

/** The first node at or below this one that has more than one child, or none. */
function nextChoice(
  order: readonly { node: NaiveNode }[],
  numbers: ReadonlyMap<NaiveNode, number>,
  at: number,
): number {
  let { node } = order[at] as { node: NaiveNode };
  while (node.children.size === 1) node = [...node.children.values()][0] as NaiveNode;
  return numbers.get(node) as number;
}

/** Throws `Mismatch` where a method of the trie does not return what the naive trie of `entries` does. */
export function compareWithNaive(trie: TokenTrie, entries: readonly Entry[]): void {
  const order = breadthFirst(naiveTrie(entries));
  const numbers = new Map(order.map(({ node }, index) => [node, index]));
  const leaves = order.filter(({ node }) => node.children.size === 0);
  expectEqual('nodeCount', trie.nodeCount, order.length);
  expectEqual('leafCount', trie.leafCount, leaves.length);
  expectEqual('itemCount', trie.itemCount, entries.length);
  expectEqual('maxDepth', trie.maxDepth, Math.max(...order.map(({ path }) => path.length)));
  const lists = trie.allowed(order.map((_, index) => index));
  order.forEach(({ node, path, parent }, index) => {
    const at = `node ${index}`;
    const tokens = [...node.children.keys()].sort((a, b) => a - b);
    expectEqual(`childCount of ${at}`, trie.childCount(index), tokens.length);
    expectEqual(`childTokens of ${at}`, [...trie.childTokens(index)], tokens);
    expectEqual(`allowed of ${at}`, [...lists.tokens.subarray(lists.offsets[index], lists.offsets[index + 1])], tokens);
    expectEqual(`isLeaf of ${at}`, trie.isLeaf(index), tokens.length === 0);
    expectEqual(`parent of ${at}`, trie.parent(index), parent);
    expectEqual(`path of ${at}`, trie.path(index), path);
    expectEqual(`lastToken of ${at}`, trie.lastToken(index), path.at(-1) ?? -1);
    expectEqual(`find of ${at}`, trie.find(path), index);
    expectEqual(`items of ${at}`, [...trie.items(index)], node.items);
    expectEqual(`nextChoice of ${at}`, trie.nextChoice(index), nextChoice(order, numbers, index));
    tokens.forEach((token, place) => {
      const child = numbers.get(node.children.get(token) as NaiveNode) as number;
      expectEqual(`child of ${at} by ${token}`, trie.child(index, token), child);
      expectEqual(`firstChild of ${at}`, trie.firstChild(index) + place, child);
      expectEqual(`find from ${at}`, trie.find([token], index), child);
    });
    for (const token of absentTokens(node)) {
      expectEqual(`child of ${at} by ${token}, which is none`, trie.child(index, token), -1);
    }
  });
  for (const { tokens, item } of entries) {
    expectEqual(`leafOf ${item}`, trie.path(trie.leafOf(item)), tokens);
  }
  const known = new Set(entries.map(({ item }) => item));
  let unknown = 0;
  while (known.has(unknown)) unknown++;
  expectEqual('leafOf an item that is not there', trie.leafOf(unknown), -1);
}

/** The sequences of a trie, read by `childTokens` and `child` alone, of at most `most` nodes. */
export function entriesOf(trie: TokenTrie): Entry[] {
  const entries: Entry[] = [];
  const open: { node: number; tokens: number[] }[] = [{ node: TokenTrie.root, tokens: [] }];
  let visited = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (++visited > trie.nodeCount) throw new Mismatch('the walk comes to more nodes than there are');
    const { node, tokens } = next;
    for (const item of trie.items(node)) entries.push({ tokens, item });
    for (const token of trie.childTokens(node)) {
      open.push({ node: trie.child(node, token), tokens: [...tokens, token] });
    }
  }
  if (visited !== trie.nodeCount) throw new Mismatch(`the walk comes to ${visited} of ${trie.nodeCount} nodes`);
  return entries;
}
