/** A trie of nested maps, for comparison: what `TokenTrie` stands for, with none of its numbering or packing. */
export interface NaiveNode {
  children: Map<number, NaiveNode>;
  /** Ascending. */
  items: number[];
}

export interface Entry {
  tokens: readonly number[];
  item: number;
}

export function naiveTrie(entries: readonly Entry[]): NaiveNode {
  const root: NaiveNode = { children: new Map(), items: [] };
  for (const { tokens, item } of entries) {
    let node = root;
    for (const token of tokens) {
      let child = node.children.get(token);
      if (child === undefined) {
        child = { children: new Map(), items: [] };
        node.children.set(token, child);
      }
      node = child;
    }
    node.items.push(item);
    node.items.sort((a, b) => a - b);
  }
  return root;
}

/** The nodes in breadth-first order, children by ascending token, with the way to each. */
export function breadthFirst(root: NaiveNode): { node: NaiveNode; path: number[]; parent: number }[] {
  const found: { node: NaiveNode; path: number[]; parent: number }[] = [{ node: root, path: [], parent: -1 }];
  for (let index = 0; index < found.length; ++index) {
    const { node, path } = found[index] as (typeof found)[number];
    const tokens = [...node.children.keys()].sort((a, b) => a - b);
    for (const token of tokens) {
      found.push({ node: node.children.get(token) as NaiveNode, path: [...path, token], parent: index });
    }
  }
  return found;
}
