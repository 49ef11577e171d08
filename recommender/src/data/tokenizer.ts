import { TokenTrie } from 'fused-bear-loss/decoding';

/** Each title as the BEAR authors write it: in quotes, then the end token. Ids are those of the Llama 3 tokenizer. */
export async function tokenizeTitles(titles: readonly string[]): Promise<number[][]> {
  // An ES module only; loading it takes half a second, so nobody pays who does not tokenize.
  const { default: tokenizer } = await import('llama3-tokenizer-js');
  return titles.map((title) => tokenizer.encode(`"${title}"`, { bos: false, eos: true }));
}

/**
 * The tokens in use, renumbered from 0. Those among which the decoder ever has to choose (tokens on the edges of a branching
 * trie node) come first: only they need a logit. All others are forced, with probability 1 under the constraint.
 */
export interface Vocabulary {
  /** Tokens in use. */
  size: number;
  /** Tokens 0 to `choices - 1` occur where there is a choice. */
  choices: number;
  encode(tokenizerIds: readonly number[]): number[];
  decode(tokens: readonly number[]): number[];
}

export function buildVocabulary(sequences: readonly (readonly number[])[]): Vocabulary {
  const trie = TokenTrie.fromSequences(sequences);
  const chosen = new Set<number>();
  for (let node = 0; node < trie.nodeCount; node++) {
    if (trie.childCount(node) > 1) for (const token of trie.childTokens(node)) chosen.add(token);
  }
  const ascending = (tokens: Iterable<number>) => [...tokens].sort((a, b) => a - b);
  const forced = new Set(sequences.flat().filter((token) => !chosen.has(token)));
  const tokenizerIds = [...ascending(chosen), ...ascending(forced)];
  const tokenOf = new Map(tokenizerIds.map((id, token) => [id, token]));
  return {
    size: tokenizerIds.length,
    choices: chosen.size,
    encode: (ids) => ids.map((id) => known(tokenOf.get(id), `token ${id} is in no title`)),
    decode: (tokens) => tokens.map((token) => known(tokenizerIds[token], `there is no token ${token}`)),
  };
}

function known(value: number | undefined, otherwise: string): number {
  if (value === undefined) throw new RangeError(otherwise);
  return value;
}
