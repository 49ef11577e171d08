import { TokenTrie } from 'fused-bear-loss/decoding';
import { buildVocabulary, tokenizeTitles, type Vocabulary } from './tokenizer.js';

/** One decision on the way to an item: at trie node `node`, where there is a choice, take `token`. */
export interface Choice {
  node: number;
  token: number;
}

/** The items as the model sees them. Items have ids in the data and consecutive indices here. */
export interface Catalogue {
  trie: TokenTrie;
  vocabulary: Vocabulary;
  /** Index of an item, by its id. */
  indexOf: ReadonlyMap<number, number>;
  /** Tokens of each item's title, by item index. */
  titleTokens: number[][];
  /** Decisions that lead to each item, by item index. */
  choices: Choice[][];
  /** Tokens of each node since the last choice: the one chosen, then those that it forces. By trie node. */
  tokensSinceChoice: ReadonlyMap<number, number[]>;
  /** Items whose title another item has, too. */
  itemsWithSharedTitle: number;
}

export async function buildCatalogue(titles: ReadonlyMap<number, string>): Promise<Catalogue> {
  const ids = [...titles.keys()].sort((a, b) => a - b);
  const tokenizerIds = await tokenizeTitles(ids.map((id) => titles.get(id) as string));
  const vocabulary = buildVocabulary(tokenizerIds);
  const titleTokens = tokenizerIds.map((sequence) => vocabulary.encode(sequence));
  const trie = TokenTrie.fromSequences(titleTokens, ids);
  const tokensSinceChoice = new Map<number, number[]>();
  const choices = titleTokens.map((tokens) => {
    const path: Choice[] = [];
    let node = TokenTrie.root;
    let sinceChoice: number[] = [];
    for (const token of tokens) {
      if (trie.childCount(node) > 1) {
        path.push({ node, token });
        tokensSinceChoice.set(node, sinceChoice);
        sinceChoice = [];
      }
      sinceChoice.push(token);
      node = trie.child(node, token);
    }
    return path;
  });
  return {
    trie,
    vocabulary,
    indexOf: new Map(ids.map((id, index) => [id, index])),
    titleTokens,
    choices,
    tokensSinceChoice,
    itemsWithSharedTitle: ids.filter((id) => trie.items(trie.leafOf(id)).length > 1).length,
  };
}
