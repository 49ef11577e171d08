import type { TokenLists } from 'fused-bear-loss/decoding';
import { edgeLists } from '../data/branches.js';
import type { Catalogue } from '../data/catalogue.js';
import type { Query, Row } from '../data/dataset.js';
import type { Random } from '../random/random.js';
import type { Evidence } from './evidence.js';
import { paddedPlaces } from './network-parameters.js';

/**
 * Windows of purchases as arrays of fixed shape, window by window: `[n, P]` history places, oldest first, and `[n, M]`
 * decisions, -1 where there is none. A place predicts what was bought after it, from what stands at it and before.
 */
export interface Batch {
  /** n */
  size: number;
  /** M */
  decisions: number;
  /** Item indices. The last place is always filled. */
  items: Int32Array;
  /** The place whose next item each decision is about. */
  places: Int32Array;
  /** Trie nodes at which the decoder chooses. */
  nodes: Int32Array;
  /** The edge to take; -100, which the loss ignores, where there is no decision. */
  targets: Int32Array;
  /** The edges to choose from: those to the children of the node. */
  edges: TokenLists;
  /** `[edges.tokens.length, channels]`: the evidence. */
  logMasses: Float32Array;
}

/** What turns rows into batches. */
export interface BatchSource {
  catalogue: Catalogue;
  evidence: Evidence;
  /** H */
  historyPlaces: number;
}

const IGNORED = -100;
/** jax-js compiles once per shape, so the numbers of decisions are rounded up to few values. */
const DECISION_STEP = 16;

/** `[n, P]`: the last items of each history, the newest at the last place. */
export function historyItems(
  { indexOf }: Catalogue,
  queries: readonly Query[],
  size: number,
  historyPlaces: number,
): Int32Array {
  const places = paddedPlaces(historyPlaces);
  const items = new Int32Array(places * size).fill(-1);
  queries.forEach(({ history }, index) => {
    const recent = history.slice(-historyPlaces);
    recent.forEach((item, place) => {
      items[(index + 1) * places - recent.length + place] = indexOf.get(item) as number;
    });
  });
  return items;
}

/**
 * @param windows consecutive rows of one user each, at most as many as there are history places
 * @param size n, at least the number of windows
 * @param decisions M, at least what `decisionsOf` has for any window
 */
export function makeBatch(
  source: BatchSource,
  windows: readonly (readonly Row[])[],
  size: number,
  decisions: number,
): Batch {
  const { catalogue, evidence, historyPlaces } = source;
  const places = new Int32Array(size * decisions).fill(-1);
  const nodes = new Int32Array(size * decisions).fill(-1);
  const targets = new Int32Array(size * decisions).fill(IGNORED);
  windows.forEach((rows, window) => {
    let entry = window * decisions;
    rows.forEach((row, index) => {
      for (const { node, edge } of choicesOf(catalogue, row)) {
        places[entry] = paddedPlaces(historyPlaces) - rows.length + index;
        nodes[entry] = node;
        targets[entry++] = edge;
      }
    });
  });
  const edges = edgeLists(catalogue.trie, catalogue.branches, nodes);
  const logMasses = evidenceAt(evidence, windows, edges);
  // The history of the last row has the items of all.
  const items = historyItems(
    catalogue,
    windows.map((rows) => rows.at(-1) as Row),
    size,
    historyPlaces,
  );
  return { size, decisions, items, places, nodes, targets, edges, logMasses };
}

/** The lists of a row's decisions follow each other, and so do those of the rows and the windows. */
function evidenceAt(evidence: Evidence, windows: readonly (readonly Row[])[], { tokens }: TokenLists): Float32Array {
  const logMasses = new Float32Array(tokens.length * evidence.channels);
  let start = 0;
  for (const row of windows.flat()) {
    const path = evidence.logMassesTo(row);
    logMasses.set(path, start);
    start += path.length;
  }
  return logMasses;
}

/** Which windows stand in one batch, and for how many decisions there is room. */
export interface BatchPlan {
  windows: Row[][];
  decisions: number;
}

/** All windows once, in random order. Those of a batch need about equally many decisions, so that few are padding. */
export function planBatches(
  catalogue: Catalogue,
  windows: readonly Row[][],
  size: number,
  random: Random,
): BatchPlan[] {
  const ordered = random
    .shuffled(windows)
    .map((window) => ({ window, decisions: decisionsOf(catalogue, window) }))
    .sort((a, b) => a.decisions - b.decisions);
  const plans: BatchPlan[] = [];
  for (let first = 0; first < ordered.length; first += size) {
    const some = ordered.slice(first, first + size);
    plans.push({
      windows: some.map(({ window }) => window),
      decisions: (some.at(-1) as (typeof some)[number]).decisions,
    });
  }
  return random.shuffled(plans);
}

/** The decisions on the way to all targets of a window, rounded up. */
export function decisionsOf(catalogue: Catalogue, window: readonly Row[]): number {
  const decisions = window.reduce((sum, row) => sum + choicesOf(catalogue, row).length, 0);
  return DECISION_STEP * Math.ceil(decisions / DECISION_STEP);
}

function choicesOf(catalogue: Catalogue, { target }: Row) {
  return catalogue.choices[catalogue.indexOf.get(target) as number] as Catalogue['choices'][number];
}
