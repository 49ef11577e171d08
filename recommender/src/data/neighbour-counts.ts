import type { Query, Row } from './dataset.js';

/** How far apart in a history two items may be to count as a pair. */
const REACH = 3;
/** A pair at distance d counts 1/d. Held in sixths, counts are whole numbers, so that taking some away is exact. */
const UNIT = 6;

type Counts = Map<number, Map<number, number>>;

/** One item after another, as a training row shows it. */
interface Pair {
  later: number;
  weight: number;
  user: number;
  time: number;
}

/** Which items came soon after which in training, and how often. */
export class NeighbourCounts {
  private readonly all: Counts = new Map();
  private readonly byUser = new Map<number, Counts>();
  /** By the earlier item, in the order of time. */
  private pairs: Map<number, Pair[]> | undefined;

  constructor(private readonly train: readonly Row[]) {
    for (const row of train) {
      const own = this.byUser.get(row.user) ?? new Map();
      this.byUser.set(row.user, own);
      forEachPair(row, (item, later, weight) => {
        add(this.all, item, later, weight);
        add(own, item, later, weight);
      });
    }
  }

  /**
   * Calls `visit` for each item that followed `item`, with the weighted count. What the query's user did is left out, since a
   * training row must not see itself, and so is what was not known yet where the query has `knownUntil`.
   */
  forEachFollower(
    item: number,
    { user, knownUntil }: Pick<Query, 'user' | 'knownUntil'>,
    visit: (later: number, count: number) => void,
  ): void {
    if (knownUntil !== undefined) {
      for (const [later, count] of this.countUntil(item, user, knownUntil)) visit(later, count / UNIT);
      return;
    }
    const own = user === undefined ? undefined : this.byUser.get(user)?.get(item);
    for (const [later, count] of this.all.get(item) ?? []) {
      const others = count - (own?.get(later) ?? 0);
      if (others > 0) visit(later, others / UNIT);
    }
  }

  private countUntil(item: number, without: number | undefined, end: number): Map<number, number> {
    this.pairs ??= pairsInTime(this.train);
    const counts = new Map<number, number>();
    for (const { later, weight, user, time } of this.pairs.get(item) ?? []) {
      if (time >= end) break;
      if (user !== without) counts.set(later, (counts.get(later) ?? 0) + weight);
    }
    return counts;
  }
}

function pairsInTime(train: readonly Row[]): Map<number, Pair[]> {
  const pairs = new Map<number, Pair[]>();
  for (const row of [...train].sort((a, b) => a.time - b.time)) {
    const { user, time } = row;
    forEachPair(row, (item, later, weight) => {
      const some = pairs.get(item) ?? [];
      some.push({ later, weight, user, time });
      pairs.set(item, some);
    });
  }
  return pairs;
}

function forEachPair(
  { history, target, isNested }: Row,
  visit: (item: number, later: number, weight: number) => void,
): void {
  if (isNested) {
    history.slice(-REACH).forEach((item, index, { length }) => {
      visit(item, target, UNIT / (length - index));
    });
    return;
  }
  const items = [...history, target];
  items.forEach((item, place) => {
    items.slice(place + 1, place + 1 + REACH).forEach((later, index) => {
      visit(item, later, UNIT / (index + 1));
    });
  });
}

function add(counts: Counts, item: number, later: number, weight: number): void {
  let followers = counts.get(item);
  if (!followers) {
    followers = new Map();
    counts.set(item, followers);
  }
  followers.set(later, (followers.get(later) ?? 0) + weight);
}
