import type { TokenLists } from 'fused-bear-loss/decoding';
import type { Catalogue } from './catalogue.js';
import type { Row } from './data.js';
import type { Random } from './random.js';

/** Rows of the data as arrays of fixed shape: `[H, n]` history places and `[T, n]` decoding steps, -1 where there is none. */
export interface Batch {
  size: number;
  steps: number;
  /** Item indices, oldest first, the last place always filled. */
  items: Int32Array;
  /** Trie nodes at which the decoder chooses. */
  nodes: Int32Array;
  /** The token to choose; -100, which the loss ignores, where there is no step. */
  targets: Int32Array;
  /** The tokens to choose from: the children of the node. */
  allowed: TokenLists;
}

const IGNORED = -100;
/** jax-js compiles once per shape, so the numbers of steps are rounded up to few values. */
const STEP_COUNTS = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

export function historyBatch(catalogue: Catalogue, rows: readonly Row[], size: number, places: number): Int32Array {
  const items = new Int32Array(places * size).fill(-1);
  rows.forEach(({ history }, column) => {
    const recent = history.slice(-places);
    recent.forEach((item, index) => {
      const place = places - recent.length + index;
      items[place * size + column] = catalogue.indexOf.get(item) as number;
    });
  });
  return items;
}

export function makeBatch(
  catalogue: Catalogue,
  rows: readonly Row[],
  size: number,
  steps: number,
  places: number,
): Batch {
  const nodes = new Int32Array(steps * size).fill(-1);
  const targets = new Int32Array(steps * size).fill(IGNORED);
  rows.forEach((row, column) => {
    choicesOf(catalogue, row).forEach(({ node, token }, step) => {
      nodes[step * size + column] = node;
      targets[step * size + column] = token;
    });
  });
  const allowed = catalogue.trie.allowed(nodes.map((node) => (node < 0 ? ANY_NODE : node)));
  return { size, steps, items: historyBatch(catalogue, rows, size, places), nodes, targets, allowed };
}

/** An ignored row needs a list, too; the root's will do. */
const ANY_NODE = 0;

/** All rows once, in random order. Rows of a batch need about equally many steps, so that few are padding. */
export function makeBatches(
  catalogue: Catalogue,
  rows: readonly Row[],
  size: number,
  places: number,
  random: Random,
): Batch[] {
  const bySteps = new Map<number, Row[]>();
  for (const row of random.shuffled(rows)) {
    const steps = roundedSteps(choicesOf(catalogue, row).length);
    const group = bySteps.get(steps) ?? [];
    group.push(row);
    bySteps.set(steps, group);
  }
  const batches: Batch[] = [];
  for (const [steps, group] of bySteps) {
    for (let first = 0; first < group.length; first += size) {
      batches.push(makeBatch(catalogue, group.slice(first, first + size), size, steps, places));
    }
  }
  return random.shuffled(batches);
}

function choicesOf(catalogue: Catalogue, { target }: Row) {
  return catalogue.choices[catalogue.indexOf.get(target) as number] as Catalogue['choices'][number];
}

function roundedSteps(steps: number): number {
  return STEP_COUNTS.find((count) => count >= steps) ?? steps;
}
