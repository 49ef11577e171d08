import type { Row } from './dataset.js';

/** How far apart in a history two items may be to count as a pair. */
const REACH = 3;
/** A pair at distance d counts 1/d. Held in sixths, counts are whole numbers, so that taking some away is exact. */
const UNIT = 6;

type Counts = Map<number, Map<number, number>>;

/** Which items came soon after which in training, and how often. */
export class NeighbourCounts {
  private readonly all: Counts = new Map();
  private readonly byUser = new Map<number, Counts>();

  constructor(train: readonly Row[]) {
    for (const { user, history, target } of train) {
      const own = this.byUser.get(user) ?? new Map();
      this.byUser.set(user, own);
      const items = [...history, target];
      items.forEach((item, place) => {
        items.slice(place + 1, place + 1 + REACH).forEach((later, index) => {
          const weight = UNIT / (index + 1);
          add(this.all, item, later, weight);
          add(own, item, later, weight);
        });
      });
    }
  }

  /**
   * Calls `visit` for each item that followed `item`, with the weighted count. What the user with the number `without` did is
   * left out: a training row must not see itself.
   */
  forEachFollower(item: number, without: number | undefined, visit: (later: number, count: number) => void): void {
    const own = without === undefined ? undefined : this.byUser.get(without)?.get(item);
    for (const [later, count] of this.all.get(item) ?? []) {
      const others = count - (own?.get(later) ?? 0);
      if (others > 0) visit(later, others / UNIT);
    }
  }
}

function add(counts: Counts, item: number, later: number, weight: number): void {
  let followers = counts.get(item);
  if (!followers) {
    followers = new Map();
    counts.set(item, followers);
  }
  followers.set(later, (followers.get(later) ?? 0) + weight);
}
