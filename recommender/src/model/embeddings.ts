import type { Catalogue } from '../data/catalogue.js';
import type { WordVectors } from '../data/word-vectors.js';
import type { Random } from '../random/random.js';
import { startVectors } from './start-vectors.js';
import { normals, type Tensor } from './tensor.js';

/** Of the vectors that were looked up: `[ids.length, d]`. */
interface VectorGradient {
  ids: Int32Array;
  gradient: Float32Array;
}

/** Of the numbers of a vector at the start. */
const DEVIATION = 0.05;

/**
 * The vectors that a batch looks up, on plain arrays. jax-js can gather under jit, but the gradient takes 70 ms a batch for
 * means of title tokens (measured, 768 titles of 32 tokens), and its jit refuses to scatter what a matrix product returns
 * ("scatter input is not imm"). Here each direction takes a few milliseconds.
 */
export class Embeddings {
  /** `[tokens, d]` */
  readonly tokens: Tensor;
  /** `[items, d]` */
  readonly items: Tensor;
  /** `[branching nodes, d]` */
  readonly nodes: Tensor;

  constructor(
    private readonly catalogue: Catalogue,
    readonly dimension: number,
    random: Random,
    wordVectors?: WordVectors,
  ) {
    this.tokens = normals([catalogue.vocabulary.size, dimension], DEVIATION, random);
    this.items = normals([catalogue.itemTokens.length, dimension], DEVIATION, random);
    this.nodes = normals([catalogue.branches.count, dimension], DEVIATION, random);
    if (!wordVectors) return;
    const { tokens, items } = startVectors(catalogue, wordVectors, DEVIATION);
    for (const [token, vector] of tokens) this.vector(this.tokens.data, token).set(vector);
    for (const [item, vector] of items) this.vector(this.items.data, item).set(vector);
  }

  /** `[items.length, d]`: mean vector of the item's tokens, plus the item's own; zeros for index -1. */
  itemVectors(items: Int32Array): Float32Array {
    return this.fillRows(items, (item, row) => {
      this.addMean(this.catalogue.itemTokens[item] as number[], row);
      addTo(row, this.vector(this.items.data, item));
    });
  }

  /** `[nodes.length, d]`: mean vector of the tokens since the last choice, plus the node's own; zeros for node -1. */
  nodeVectors(nodes: Int32Array): Float32Array {
    return this.fillRows(nodes, (node, row) => {
      const branch = this.catalogue.branches.numberOf[node] as number;
      this.addMean(this.catalogue.branches.tokensSinceChoice[branch] as number[], row);
      addTo(row, this.vector(this.nodes.data, branch));
    });
  }

  /** Zeros of the size of the table of nodes. */
  emptyNodes(): Float32Array {
    return new Float32Array(this.nodes.data.length);
  }

  /** Adds to the gradients of the tables, given those of what the functions above returned. */
  addGradients(
    items: VectorGradient,
    nodes: VectorGradient,
    tables: Record<'tokens' | 'items' | 'nodes', Float32Array>,
  ): void {
    const { itemTokens, branches } = this.catalogue;
    for (const [item, sum] of this.sumRows(items)) {
      this.spreadMean(itemTokens[item] as number[], sum, tables.tokens);
      addTo(this.vector(tables.items, item), sum);
    }
    for (const [node, sum] of this.sumRows(nodes)) {
      const branch = branches.numberOf[node] as number;
      this.spreadMean(branches.tokensSinceChoice[branch] as number[], sum, tables.tokens);
      addTo(this.vector(tables.nodes, branch), sum);
    }
  }

  private vector(table: Float32Array, index: number): Float32Array {
    return table.subarray(index * this.dimension, (index + 1) * this.dimension);
  }

  /** Computes each different id once: a batch holds the same items and nodes many times. */
  private fillRows(ids: Int32Array, fill: (id: number, row: Float32Array) => void): Float32Array {
    const rows = new Float32Array(ids.length * this.dimension);
    const firstRow = new Map<number, Float32Array>();
    ids.forEach((id, index) => {
      if (id < 0) return;
      const row = this.vector(rows, index);
      const same = firstRow.get(id);
      if (same) row.set(same);
      else {
        fill(id, row);
        firstRow.set(id, row);
      }
    });
    return rows;
  }

  private sumRows({ ids, gradient }: VectorGradient): Map<number, Float32Array> {
    const sums = new Map<number, Float32Array>();
    ids.forEach((id, index) => {
      if (id < 0) return;
      const row = this.vector(gradient, index);
      const sum = sums.get(id);
      if (!sum) sums.set(id, row.slice());
      else addTo(sum, row);
    });
    return sums;
  }

  private addMean(tokens: readonly number[], row: Float32Array): void {
    for (const token of tokens) addTo(row, this.vector(this.tokens.data, token), 1 / tokens.length);
  }

  private spreadMean(tokens: readonly number[], rowGradient: Float32Array, tokenGradient: Float32Array): void {
    for (const token of tokens) addTo(this.vector(tokenGradient, token), rowGradient, 1 / tokens.length);
  }
}

function addTo(sum: Float32Array, terms: Float32Array, factor = 1): void {
  for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + factor * (terms[k] as number);
}
