import type { StepFunction, StepRequest, TokenTrie } from '../../lib/decoding/index';

/** A model whose logits depend on the user and on all tokens so far. Its state is the list of prefixes, one a row. */
export function prefixModel(
  vocabSize: number,
  logitOf: (user: number, prefix: readonly number[], token: number) => number,
  onRequest: (request: StepRequest<number[][]>, prefixes: number[][]) => void = () => {},
): StepFunction<number[][]> {
  return (request) => {
    const { users, parents, state, consumed } = request;
    const prefixes = [...users].map((_, row) => [
      ...(state?.[parents[row] as number] ?? []),
      ...consumed.tokens.subarray(consumed.offsets[row], consumed.offsets[row + 1]),
    ]);
    onRequest(request, prefixes);
    const logits = Float32Array.from({ length: prefixes.length * vocabSize }, (_, index) => {
      const row = Math.floor(index / vocabSize);
      return logitOf(users[row] as number, prefixes[row] as number[], index % vocabSize);
    });
    return { logits, state: prefixes };
  };
}

/** Log-probability of a sequence by the definition, token by token. */
export function sequenceScore(
  trie: TokenTrie,
  sequence: readonly number[],
  logitOf: (prefix: readonly number[], token: number) => number,
  temperature = 1,
): number {
  let score = 0;
  sequence.forEach((token, position) => {
    const prefix = sequence.slice(0, position);
    const scaled = (candidate: number) => Math.fround(logitOf(prefix, candidate)) / temperature;
    const children = [...trie.childTokens(trie.find(prefix))];
    score += scaled(token) - Math.log(children.reduce((sum, child) => sum + Math.exp(scaled(child)), 0));
  });
  return score;
}
