import type { Catalogue } from './catalogue.js';
import type { Random } from './random.js';
import { normals, type Tensor } from './tensor.js';

/**
 * The sparse part of the model, on plain arrays: a vector for each token and each item. jax-js can gather under jit, but the
 * gradient takes 70 ms a batch for means of title tokens (measured, 768 titles of 32 tokens), and its jit refuses to scatter
 * what a matrix product returns ("scatter input is not imm"). Here each direction takes under 3 ms.
 */
export class Embeddings {
  readonly tokens: Tensor;
  readonly items: Tensor;

  constructor(
    private readonly catalogue: Catalogue,
    readonly dimension: number,
    random: Random,
  ) {
    this.tokens = normals([catalogue.vocabulary.size, dimension], 0.1, random);
    this.items = normals([catalogue.titleTokens.length, dimension], 0.05, random);
  }

  /** `[V, d]`: the vectors of the tokens that need a logit. */
  choiceTokens(): Tensor {
    const { choices } = this.catalogue.vocabulary;
    return { data: this.tokens.data.slice(0, choices * this.dimension), shape: [choices, this.dimension] };
  }

  /** `[items.length, d]`: mean vector of the title's tokens, plus the item's own; zeros for index -1. */
  itemVectors(items: Int32Array): Float32Array {
    return this.fillRows(items, (item, row) => {
      this.addMean(this.catalogue.titleTokens[item] as number[], row);
      const own = this.vector(this.items.data, item);
      for (let k = 0; k < row.length; k++) row[k] = (row[k] as number) + (own[k] as number);
    });
  }

  /** `[nodes.length, d]`: mean vector of the tokens since the last choice, forced ones included; zeros for node -1. */
  nodeVectors(nodes: Int32Array): Float32Array {
    return this.fillRows(nodes, (node, row) => this.addMean(this.tokensSinceChoice(node), row));
  }

  /** Gradients of both tables, given those of what the three functions above returned. */
  gradients(
    items: Int32Array,
    itemGradient: Float32Array,
    nodes: Int32Array,
    nodeGradient: Float32Array,
    choiceGradient: Float32Array,
  ): { tokens: Float32Array; items: Float32Array } {
    const tokens = new Float32Array(this.tokens.data.length);
    tokens.set(choiceGradient);
    const byItem = this.sumRows(items, itemGradient);
    for (const [item, sum] of byItem) this.spreadMean(this.catalogue.titleTokens[item] as number[], sum, tokens);
    for (const [node, sum] of this.sumRows(nodes, nodeGradient)) {
      this.spreadMean(this.tokensSinceChoice(node), sum, tokens);
    }
    const itemTable = new Float32Array(this.items.data.length);
    for (const [item, sum] of byItem) itemTable.set(sum, item * this.dimension);
    return { tokens, items: itemTable };
  }

  private tokensSinceChoice(node: number): number[] {
    return this.catalogue.tokensSinceChoice.get(node) as number[];
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

  private sumRows(ids: Int32Array, gradient: Float32Array): Map<number, Float32Array> {
    const sums = new Map<number, Float32Array>();
    ids.forEach((id, index) => {
      if (id < 0) return;
      const row = this.vector(gradient, index);
      const sum = sums.get(id);
      if (!sum) sums.set(id, row.slice());
      else for (let k = 0; k < row.length; k++) sum[k] = (sum[k] as number) + (row[k] as number);
    });
    return sums;
  }

  private addMean(tokens: readonly number[], row: Float32Array): void {
    for (const token of tokens) {
      const vector = this.vector(this.tokens.data, token);
      for (let k = 0; k < row.length; k++) row[k] = (row[k] as number) + (vector[k] as number) / tokens.length;
    }
  }

  private spreadMean(tokens: readonly number[], rowGradient: Float32Array, tokenGradient: Float32Array): void {
    for (const token of tokens) {
      const vector = this.vector(tokenGradient, token);
      for (let k = 0; k < rowGradient.length; k++) {
        vector[k] = (vector[k] as number) + (rowGradient[k] as number) / tokens.length;
      }
    }
  }
}
