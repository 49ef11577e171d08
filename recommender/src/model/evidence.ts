import type { Catalogue, Choice } from '../data/catalogue.js';
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
  private scratch: Float32Array | undefined;
  /** Masses without any evidence. */
  private readonly priors: Float32Array;
  private readonly neighbours: NeighbourCounts;
  private readonly recent: RecentTargets;
  /** The ways to the targets of its rows; none to one that cannot be recommended. */
  private readonly recentPaths: readonly (readonly Choice[])[];
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
    this.recentPaths = this.recent.rows.map(({ target }) => this.pathTo(target));
    this.priors = new Float32Array(this.massLength);
    const leaves = new Set<number>();
    for (const path of catalogue.choices) {
      // No two leaves have the same last edge.
      const { edge: last } = path.at(-1) as Choice;
      if (leaves.has(last)) continue;
      leaves.add(last);
      for (let channel = 0; channel < this.channels; channel++) {
        addAlong(path, this.channels, channel, PRIORS[channel] as number, this.priors);
      }
    }
  }

  /** Numbers in the masses of one query. */
  get massLength(): number {
    return this.channels * this.catalogue.branches.edgeCount;
  }

  /**
   * Masses of a query, `[edges, channels]`: of all that is below an edge. Rows of the query's own user are left out, so that a
   * training row does not see itself.
   */
  masses(query: Query, into: Float32Array): void {
    const { channels } = this;
    if (channels === 0) return;
    into.set(this.priors);
    const add = (channel: number, item: number, mass: number) =>
      addAlong(this.pathTo(item), channels, channel, mass, into);
    this.addFollowers(query, add);
    this.recent.forEachBefore(query.knownUntil ?? query.time, LONGEST_WINDOW, query.user, (place, age) => {
      const path = this.recentPaths[place] as readonly Choice[];
      for (const { channel, rows } of WINDOWS) if (age < rows) addAlong(path, channels, channel, 1, into);
    });
    for (const item of new Set(query.history)) add(IN_HISTORY, item, 1);
  }

  /**
   * Log masses along the way to a row's target: for each of its decisions those of the children, one after the other,
   * `[children of all decisions, channels]`. Kept for the next epoch, as far as memory goes.
   */
  logMassesTo(row: Row): Float32Array {
    if (this.channels === 0) return new Float32Array(0);
    const kept = this.kept.get(row);
    if (kept) return kept;
    const { trie } = this.catalogue;
    const nodes = this.pathTo(row.target).map(({ node }) => node);
    const entries = nodes.reduce((sum, node) => sum + trie.childCount(node), 0);
    const logMasses = new Float32Array(entries * this.channels);
    this.scratch ??= new Float32Array(this.massLength);
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

  /** Writes log masses of the children of a branching node, `[children, channels]`, of the query whose masses begin at `offset`. */
  childLogMasses(masses: Float32Array, offset: number, node: number, into: Float32Array, start: number): void {
    const { trie, branches } = this.catalogue;
    const first = offset + this.channels * (branches.firstEdge[node] as number);
    const count = this.channels * trie.childCount(node);
    for (let index = 0; index < count; index++) into[start + index] = Math.log(masses[first + index] as number);
  }

  /** None to an item of the training data that the catalogue lacks. */
  private pathTo(item: number): readonly Choice[] {
    const { choices, indexOf } = this.catalogue;
    return choices[indexOf.get(item) ?? -1] ?? [];
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

/** Adds to the masses of all edges on a way. */
function addAlong(
  path: readonly Choice[],
  channels: number,
  channel: number,
  mass: number,
  masses: Float32Array,
): void {
  for (const { edge } of path) {
    const place = edge * channels + channel;
    masses[place] = (masses[place] as number) + mass;
  }
}
