import { TokenTrie } from 'fused-bear-loss/decoding';
import { type Branches, edgeTo, numberBranches } from './branches.js';
import { type ItemsBelow, itemsBelowEdges } from './items-below.js';
import { buildVocabulary, tokenizeTitles, type Vocabulary } from './tokenizer.js';

/** One decision on the way to an item: at trie node `node`, where there is a choice, take `token`. */
export interface Choice {
  node: number;
  token: number;
  /** That of the token. */
  edge: number;
}

/** The items as the model sees them. Items have ids in the data and consecutive indices here. */
export interface Catalogue {
  titles: ReadonlyMap<number, string>;
  trie: TokenTrie;
  vocabulary: Vocabulary;
  /** Index of an item, by its id. */
  indexOf: ReadonlyMap<number, number>;
  /** Tokens of each item, of its title or its code, by item index. */
  itemTokens: number[][];
  /** Decisions that lead to each item, by item index. */
  choices: Choice[][];
  branches: Branches;
  itemsBelow: ItemsBelow;
  /** Items whose title or code another item has, too. */
  itemsWithSharedLeaf: number;
}

/**
 * @param tokenize from titles and ids to token ids; default the tokens of the titles; items with the same tokens share a leaf
 * @throws Error for an item without any token, and where there is only one title
 */
export async function buildCatalogue(
  titles: ReadonlyMap<number, string>,
  tokenize: (titles: readonly string[], ids: readonly number[]) => Promise<number[][]> | number[][] = tokenizeTitles,
): Promise<Catalogue> {
  const ids = [...titles.keys()].sort((a, b) => a - b);
  const tokenizerIds = await tokenize(
    ids.map((id) => titles.get(id) as string),
    ids,
  );
  const bare = ids.find((_, index) => tokenizerIds[index]?.length === 0);
  if (bare !== undefined)
    throw new Error(`item ${bare} has no token: its title is ${JSON.stringify(titles.get(bare))}`);
  const vocabulary = buildVocabulary(tokenizerIds);
  const itemTokens = tokenizerIds.map((sequence) => vocabulary.encode(sequence));
  const trie = TokenTrie.fromSequences(itemTokens, ids);
  if (trie.leafCount === 1) {
    const what = tokenize === tokenizeTitles ? `the title ${JSON.stringify(titles.get(ids[0] as number))}` : 'one code';
    throw new Error(`there is nothing to choose from: all ${ids.length} items have ${what}`);
  }
  const branches = numberBranches(trie);
  const choices = itemTokens.map((tokens) => choicesAlong(trie, branches, tokens));
  return {
    titles,
    trie,
    vocabulary,
    indexOf: new Map(ids.map((id, index) => [id, index])),
    itemTokens,
    choices,
    branches,
    itemsBelow: itemsBelowEdges(branches.edgeCount, choices),
    itemsWithSharedLeaf: ids.filter((id) => trie.items(trie.leafOf(id)).length > 1).length,
  };
}

function choicesAlong(trie: TokenTrie, branches: Branches, tokens: readonly number[]): Choice[] {
  const path: Choice[] = [];
  let node = TokenTrie.root;
  for (const token of tokens) {
    if (trie.childCount(node) > 1) path.push({ node, token, edge: edgeTo(trie, branches, node, token) });
    node = trie.child(node, token);
  }
  return path;
}
