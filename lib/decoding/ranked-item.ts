import type { TokenTrie } from './token-trie.js';
import { type Candidate, TopSelection } from './top-selection.js';

/** One place of a ranking: a complete sequence of the catalogue and the items that have it. */
export interface RankedItem {
  /** Ids of the items, ascending. More than one where items have equal sequences: a hit on any is a hit. */
  items: Int32Array;
  /** The items' leaf in the trie. */
  leaf: number;
  /** What the ranking is by: `logProbability`, divided by a power of the length where `lengthPenalty` says so. */
  score: number;
  /** Natural logarithm of the probability of the whole sequence: a sum of float32 numbers. */
  logProbability: number;
}

/** The place of `item` in a ranking, counted from 0; -1 where it is not there. */
export function rankOfItem(ranking: readonly RankedItem[], item: number): number {
  return ranking.findIndex(({ items }) => items.includes(item));
}

interface LeafCandidate extends Candidate {
  leaf: number;
  logProbability: number;
}

/** The best `capacity` leaves: higher score first, at equal scores the one with the lower item id. */
export class LeafRanking {
  private readonly selection: TopSelection<LeafCandidate>;

  constructor(
    private readonly trie: TokenTrie,
    capacity: number,
  ) {
    this.selection = new TopSelection(capacity);
  }

  offer(leaf: number, score: number, logProbability: number): void {
    this.selection.offer({ score, id: this.trie.items(leaf)[0] as number, leaf, logProbability });
  }

  ranked(): RankedItem[] {
    return this.selection
      .ranked()
      .map(({ leaf, score, logProbability }) => ({ items: this.trie.items(leaf), leaf, score, logProbability }));
  }
}
