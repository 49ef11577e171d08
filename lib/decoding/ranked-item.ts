import { refuse } from '../options/errors.js';
import { elementError, forEachElement, readingError } from '../options/reading.js';
import { codeFor } from './ids.js';
import { type Candidate, TopSelection } from './top-selection.js';
import type { TrieWalk } from './trie-walk.js';

/** One place of a ranking: a complete sequence of the catalogue and the items that have it. */
export interface RankedItem {
  /** Ids of the items, ascending. More than one where items have equal sequences: a hit on any is a hit. */
  items: Int32Array;
  /** The items' leaf in the trie. */
  leaf: number;
  /** The ranking's key: `logProbability`, divided by a power of the length if there is a `lengthPenalty`. */
  score: number;
  /** Natural logarithm of the probability of the whole sequence: a sum of float32 numbers. */
  logProbability: number;
}

/**
 * The place of `item` in a ranking, counted from 0; -1 where it is not there.
 *
 * @throws TypeError `ERR_BEAR_ARGUMENT_TYPE`; RangeError `ERR_BEAR_TOKEN` for an item that is NaN or infinite
 *
 * @example
 * const rank = rankOfItem(rankings[0], 7);
 */
export function rankOfItem(ranking: readonly Pick<RankedItem, 'items'>[], item: number): number {
  if (!Number.isFinite(item)) refuse(codeFor(item, 'ERR_BEAR_TOKEN'), 'item', 'a finite number', item);
  let rank = -1;
  forEachElement(ranking, 'ranking', 'places', (place, index) => {
    if (typeof place !== 'object' || place === null) {
      throw elementError('ERR_BEAR_ARGUMENT_TYPE', 'ranking', '{ items }', place, index);
    }
    forEachElement(itemsOf(place, index), 'ranking', 'item ids', (id, position) => {
      // Also so that a sparse array of four billion places is not gone through.
      if (typeof id !== 'number') throw elementError('ERR_BEAR_ARGUMENT_TYPE', 'ranking', 'item ids', id, position);
      if (rank < 0 && id === item) rank = index;
    });
  });
  return rank;
}

function itemsOf(place: object, index: number): unknown {
  try {
    return (place as Partial<RankedItem>).items;
  } catch (error) {
    throw readingError(error, place, `ranking[${index}]`);
  }
}

interface LeafCandidate extends Candidate {
  leaf: number;
  logProbability: number;
}

/** The best `capacity` leaves: higher score first, at equal scores the one with the lower item id. */
export class LeafRanking {
  private readonly selection: TopSelection<LeafCandidate>;

  constructor(
    private readonly trie: TrieWalk,
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
