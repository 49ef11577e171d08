/** The same allowed-token constraint in its two public forms. */

export interface CsrConstraint {
  offsets: Int32Array;
  tokens: Int32Array;
}

/** CSR from one ascending list of token ids a row. */
export function csrOf(rows: readonly (readonly number[])[]): CsrConstraint {
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((tokens, row) => {
    offsets[row + 1] = (offsets[row] as number) + tokens.length;
  });
  return { offsets, tokens: Int32Array.from(rows.flat()) };
}

/** The bitmask of the same rows. `tail` fills the bits past the vocabulary in each row's last word: they are ignored. */
export function bitmaskOf(
  rows: readonly (readonly number[])[],
  vocabSize: number,
  tail: 0 | 1 = 0,
): { bitmask: Uint32Array } {
  const words = Math.ceil(vocabSize / 32);
  const bitmask = new Uint32Array(rows.length * words);
  rows.forEach((tokens, row) => {
    const tailTokens = Array.from({ length: tail * (words * 32 - vocabSize) }, (_, index) => vocabSize + index);
    for (const token of [...tokens, ...tailTokens]) {
      const word = row * words + (token >> 5);
      bitmask[word] = ((bitmask[word] as number) | (1 << (token & 31))) >>> 0;
    }
  });
  return { bitmask };
}
