import type { TokenLists } from 'fused-bear-loss/decoding';
import type { Catalogue } from '../data/catalogue.js';
import type { Query, Row } from '../data/dataset.js';
import type { Random } from '../random/random.js';
import type { Evidence } from './evidence.js';

/** Rows of the data as arrays of fixed shape: `[H, n]` history places and `[T, n]` decisions, -1 where there is none. */
export interface Batch {
  size: number;
  steps: number;
  /** Item indices, oldest first, the last place always filled. */
  items: Int32Array;
  /** Trie nodes at which the decoder chooses. */
  nodes: Int32Array;
  /** The token to choose; -100, which the loss ignores, where there is no decision. */
  targets: Int32Array;
  /** The tokens to choose from: the children of the node. */
  allowed: TokenLists;
  /** `[allowed.tokens.length, channels]`: the evidence. */
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
/** jax-js compiles once per shape, so the numbers of steps are rounded up to few values. */
const STEP_COUNTS = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

export function historyBatch(
  catalogue: Catalogue,
  queries: readonly Query[],
  size: number,
  places: number,
): Int32Array {
  const items = new Int32Array(places * size).fill(-1);
  queries.forEach(({ history }, column) => {
    const recent = history.slice(-places);
    recent.forEach((item, index) => {
      const place = places - recent.length + index;
      items[place * size + column] = catalogue.indexOf.get(item) as number;
    });
  });
  return items;
}

export function makeBatch(source: BatchSource, rows: readonly Row[], size: number, steps: number): Batch {
  const { catalogue, evidence, historyPlaces } = source;
  const nodes = new Int32Array(steps * size).fill(-1);
  const targets = new Int32Array(steps * size).fill(IGNORED);
  rows.forEach((row, column) => {
    choicesOf(catalogue, row).forEach(({ node, token }, step) => {
      nodes[step * size + column] = node;
      targets[step * size + column] = token;
    });
  });
  const allowed = allowedAt(catalogue, nodes);
  const logMasses = evidenceAt(evidence, rows, size, allowed);
  const items = historyBatch(catalogue, rows, size, historyPlaces);
  return { size, steps, items, nodes, targets, allowed, logMasses };
}

/** An ignored row has no tokens to choose from. */
function allowedAt({ trie }: Catalogue, nodes: Int32Array): TokenLists {
  const offsets = new Int32Array(nodes.length + 1);
  nodes.forEach((node, row) => {
    offsets[row + 1] = (offsets[row] as number) + (node < 0 ? 0 : trie.childCount(node));
  });
  const tokens = new Int32Array(offsets[nodes.length] as number);
  nodes.forEach((node, row) => {
    if (node >= 0) tokens.set(trie.childTokens(node), offsets[row]);
  });
  return { offsets, tokens };
}

/** The evidence of each row, which lies decision by decision, in the order of the batch. */
function evidenceAt(
  evidence: Evidence,
  rows: readonly Row[],
  size: number,
  { offsets, tokens }: TokenLists,
): Float32Array {
  const { channels } = evidence;
  const logMasses = new Float32Array(tokens.length * channels);
  rows.forEach((row, column) => {
    const path = evidence.logMassesTo(row);
    for (let entry = column, start = 0; start < path.length; entry += size) {
      const begin = (offsets[entry] as number) * channels;
      const end = (offsets[entry + 1] as number) * channels;
      logMasses.set(path.subarray(start, start + end - begin), begin);
      start += end - begin;
    }
  });
  return logMasses;
}

/** Which rows stand in one batch, and how many decisions it is wide. */
export interface BatchPlan {
  rows: Row[];
  steps: number;
}

/** All rows once, in random order. Rows of a batch need about equally many steps, so that few are padding. */
export function planBatches(catalogue: Catalogue, rows: readonly Row[], size: number, random: Random): BatchPlan[] {
  const bySteps = new Map<number, Row[]>();
  for (const row of random.shuffled(rows)) {
    const steps = roundedSteps(choicesOf(catalogue, row).length);
    const group = bySteps.get(steps) ?? [];
    group.push(row);
    bySteps.set(steps, group);
  }
  const plans: BatchPlan[] = [];
  for (const [steps, group] of bySteps) {
    for (let first = 0; first < group.length; first += size)
      plans.push({ steps, rows: group.slice(first, first + size) });
  }
  return random.shuffled(plans);
}

function choicesOf(catalogue: Catalogue, { target }: Row) {
  return catalogue.choices[catalogue.indexOf.get(target) as number] as Catalogue['choices'][number];
}

function roundedSteps(steps: number): number {
  return STEP_COUNTS.find((count) => count >= steps) ?? steps;
}
