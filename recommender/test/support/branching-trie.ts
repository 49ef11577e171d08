import { TokenTrie } from 'fused-bear-loss/decoding';

// Items 7 and 9 have the same tokens; after 1 2 there is a choice, and before it one between 1 and 6.
export const items = [3, 5, 7, 9, 11];
export const trie = TokenTrie.fromSequences(
  [
    [1, 2, 3, 0],
    [1, 2, 4, 5, 0],
    [1, 2, 4, 6, 0],
    [1, 2, 4, 6, 0],
    [6, 0],
  ],
  items,
);
