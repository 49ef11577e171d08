import type { Catalogue } from '../data/catalogue.js';
import type { Query, Row } from '../data/dataset.js';
import { NeighbourCounts } from '../data/neighbour-counts.js';
import { RecentTargets } from '../data/recent-targets.js';

// The channels: what is counted for each item.
/** What followed the last three items of the history in training. */
const FOLLOWERS_OF_LAST = 0;
/** What followed any item of the history. */
const FOLLOWERS_OF_HISTORY = 1;
/** What others bought just before, by the number of rows looked back on. */
const WINDOWS = [
  { channel: 2, rows: 50 },
  { channel: 3, rows: 300 },
  { channel: 4, rows: 2000 },
] as const;
/** What the history holds. */
const IN_HISTORY = 5;

/** The mass of an item without any evidence, by channel. */
const PRIORS = [0.1, 0.02, 0.2, 0.3, 0.5, 0.1] as const;

/** What the model adds to its logits: the counts below, or nothing, so that the network alone decides. */
export const EVIDENCE = ['counts', 'none'] as const;
export type EvidenceKind = (typeof EVIDENCE)[number];

export function channelCount(kind: EvidenceKind): number {
  return kind === 'counts' ? PRIORS.length : 0;
}

/** How many of the last items vote in FOLLOWERS_OF_LAST. */
const VOTERS = 3;
const LONGEST_WINDOW = Math.max(...WINDOWS.map(({ rows }) => rows));

/** Numbers of 4 bytes that an object keeps for the next epoch. */
const MOST_KEPT = 1.5e8;

/**
 * What is known of a query without any training: which items came after those of its history, what others bought just before
 * its time, what it has already. The model adds the logarithms of these masses to its logits, with weights that it learns: it
 * copies where copying pays.
 *
 * The mass of a trie node is that of all items below it, so the choice at a node sees what each choice leads to.
 */
export class Evidence {
  private readonly kept = new Map<Row, Float32Array>();
  private keptNumbers = 0;
  private scratch: Float64Array | undefined;
  private readonly neighbours: NeighbourCounts;
  private readonly recent: RecentTargets;
  /** Masses of a trie node. */
  readonly channels: number;

  constructor(
    private readonly catalogue: Catalogue,
    train: readonly Row[],
    kind: EvidenceKind = 'counts',
  ) {
    this.channels = channelCount(kind);
    this.neighbours = new NeighbourCounts(train);
    this.recent = new RecentTargets(train);
  }

  /** Numbers in the masses of one query. */
  get massLength(): number {
    return this.channels * (this.catalogue.leafSpans.count + 1);
  }

  /**
   * Masses of a query: for each channel the running sums over the leaves, `[channels, leaves + 1]`. Rows of the query's own
   * user are left out, so that a training row does not see itself.
   */
  masses(query: Query, into: Float64Array): void {
    if (this.channels === 0) return;
    const { leafSpans, indexOf } = this.catalogue;
    const extent = leafSpans.count + 1;
    into.fill(0);
    const add = (channel: number, item: number, mass: number) => {
      const index = indexOf.get(item);
      // An item of the training data that the catalogue lacks cannot be recommended.
      if (index === undefined) return;
      const place = channel * extent + (leafSpans.ofItem[index] as number) + 1;
      into[place] = (into[place] as number) + mass;
    };
    this.addFollowers(query, add);
    this.recent.forEachBefore(query.knownUntil ?? query.time, LONGEST_WINDOW, query.user, (item, age) => {
      for (const { channel, rows } of WINDOWS) if (age < rows) add(channel, item, 1);
    });
    for (const item of new Set(query.history)) add(IN_HISTORY, item, 1);
    PRIORS.forEach((prior, channel) => {
      let sum = 0;
      for (let place = channel * extent + 1; place < (channel + 1) * extent; place++) {
        sum += (into[place] as number) + prior;
        into[place] = sum;
      }
    });
  }

  /**
   * Log masses along the way to a row's target: for each of its decisions those of the children, one after the other,
   * `[children of all decisions, channels]`. Kept for the next epoch, as far as memory goes.
   */
  logMassesTo(row: Row): Float32Array {
    if (this.channels === 0) return new Float32Array(0);
    const kept = this.kept.get(row);
    if (kept) return kept;
    const { trie, choices, indexOf } = this.catalogue;
    const nodes = (choices[indexOf.get(row.target) as number] ?? []).map(({ node }) => node);
    const entries = nodes.reduce((sum, node) => sum + trie.childCount(node), 0);
    const logMasses = new Float32Array(entries * this.channels);
    this.scratch ??= new Float64Array(this.massLength);
    this.masses(row, this.scratch);
    let start = 0;
    for (const node of nodes) {
      this.childLogMasses(this.scratch, 0, node, logMasses, start);
      start += trie.childCount(node) * this.channels;
    }
    if (this.keptNumbers + logMasses.length <= MOST_KEPT) {
      this.kept.set(row, logMasses);
      this.keptNumbers += logMasses.length;
    }
    return logMasses;
  }

  /** Writes log masses of the children of `node`, `[children, channels]`, of the query whose masses begin at `offset`. */
  childLogMasses(masses: Float64Array, offset: number, node: number, into: Float32Array, start: number): void {
    const { trie, leafSpans } = this.catalogue;
    const extent = leafSpans.count + 1;
    const children = trie.childCount(node);
    const firstChild = trie.firstChild(node);
    for (let index = 0; index < children; index++) {
      const first = offset + (leafSpans.first[firstChild + index] as number);
      const end = offset + (leafSpans.end[firstChild + index] as number);
      for (let channel = 0; channel < this.channels; channel++) {
        const mass = (masses[end + channel * extent] as number) - (masses[first + channel * extent] as number);
        into[start + index * this.channels + channel] = Math.log(mass);
      }
    }
  }

  private addFollowers(query: Query, add: (channel: number, item: number, mass: number) => void): void {
    const { history } = query;
    for (let age = 0; age < history.length; age++) {
      const item = history[history.length - 1 - age] as number;
      this.neighbours.forEachFollower(item, query, (later, count) => {
        if (age < VOTERS) add(FOLLOWERS_OF_LAST, later, count / (age + 1));
        add(FOLLOWERS_OF_HISTORY, later, count / (age + 1));
      });
    }
  }
}
