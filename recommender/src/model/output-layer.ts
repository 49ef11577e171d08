import type { Catalogue } from '../data/catalogue.js';
import type { Random } from '../random/random.js';
import type { Embeddings } from './embeddings.js';
import { normals, type Tensor, zeros } from './tensor.js';

/** Choices so deep in a title share their evidence weights. */
const DEEPEST = 5;

/** Rows of decisions: the hidden vector of each, where it stands and what may follow. */
export interface OutputRows {
  /** `[N, d]` */
  hidden: Float32Array;
  /** `[N]`: trie nodes, -1 for rows that do not count. */
  nodes: Int32Array;
  /** `[N + 1]`: the entries of each row, one for each child of its node. */
  offsets: Int32Array;
  /** `[entries, channels]` */
  logMasses: Float32Array;
}

/** Logits of a batch as the loss takes them. */
export interface LossInput {
  rows: OutputRows;
  /** What hidden vectors are multiplied by for the allowed tokens. */
  edgeVectors: Float32Array;
  /** `[N, V]`; masked, only those of allowed tokens are ever written or read. */
  logits: Float32Array;
  shape: [number, number];
}

export interface OutputGradients {
  hidden: Float32Array;
  /** Of the edge vectors, not of the table `edges`. */
  edgeVectors: Float32Array;
  edgeBias: Float32Array;
  evidenceWeights: Float32Array;
}

/** Edge vectors are short: Embeddings has it, and so does the network for its inputs. */
function outputGain(dimension: number): number {
  return 20 / Math.sqrt(dimension);
}

/**
 * From hidden vectors to logits, for allowed tokens only. The vector of a token at a node is that of the token, that of the
 * edge, and the mean of the items below it, both shared with the input; the evidence adds its weighted log masses.
 */
export class OutputLayer {
  /** `[edges, d]` */
  readonly edges: Tensor;
  /** `[edges]` */
  readonly edgeBias: Tensor;
  /** `[DEEPEST + 1, channels]`, empty without evidence; by how many choices come before. */
  readonly evidenceWeights: Tensor;

  constructor(
    private readonly catalogue: Catalogue,
    private readonly inputs: Pick<Embeddings, 'tokens' | 'items' | 'dimension'>,
    private readonly channels: number,
    random: Random,
  ) {
    const { edgeCount } = catalogue.branches;
    const { dimension } = inputs;
    this.edges = normals([edgeCount, dimension], 0.05, random);
    this.edgeBias = zeros([edgeCount]);
    this.evidenceWeights = zeros([DEEPEST + 1, channels]);
    this.evidenceWeights.data.fill(0.3);
  }

  /** The vectors that hidden vectors are multiplied by, `[edges, d]`. They hold until a parameter changes. */
  edgeVectors(): Float32Array {
    const d = this.inputs.dimension;
    const vectors = this.ownVectors();
    const gain = outputGain(d);
    this.catalogue.branches.edgeTokens.forEach((token, edge) => {
      for (let k = 0; k < d; k++)
        vectors[edge * d + k] = at(vectors, edge * d + k) + gain * at(this.inputs.tokens.data, token * d + k);
    });
    return vectors;
  }

  /** The same without the part of the token, which all edges with the token share. */
  ownVectors(): Float32Array {
    const d = this.inputs.dimension;
    const gain = outputGain(d);
    const vectors = this.edges.data.map((value) => gain * value);
    this.forEachItemBelow((edge, item, share) => {
      for (let k = 0; k < d; k++)
        vectors[edge * d + k] = at(vectors, edge * d + k) + gain * share * at(this.inputs.items.data, item * d + k);
    });
    return vectors;
  }

  /** One logit for each entry. */
  logits(rows: OutputRows, vectors: Float32Array): Float32Array {
    const { hidden, logMasses } = rows;
    const { channels } = this;
    const d = this.inputs.dimension;
    const bias = this.edgeBias.data;
    const logits = new Float32Array(at(rows.offsets, rows.offsets.length - 1));
    for (const { row, begin, end, firstEdge, weights } of this.spans(rows)) {
      const own = hidden.subarray(row * d, (row + 1) * d);
      for (let entry = begin, edge = firstEdge; entry < end; entry++, edge++) {
        const vector = edge * d;
        const mass = entry * channels;
        let sum = bias[edge] as number;
        for (let k = 0; k < d; k++) sum += (own[k] as number) * (vectors[vector + k] as number);
        for (let c = 0; c < channels; c++) sum += (weights[c] as number) * (logMasses[mass + c] as number);
        logits[entry] = sum;
      }
    }
    return logits;
  }

  /** Gradients of everything, given those of the logits. */
  gradients(rows: OutputRows, vectors: Float32Array, gradLogits: Float32Array): OutputGradients {
    const { hidden, logMasses } = rows;
    const { channels } = this;
    const d = this.inputs.dimension;
    const gradHidden = new Float32Array(hidden.length);
    const edges = new Float32Array(this.edges.data.length);
    const edgeBias = new Float32Array(this.edgeBias.data.length);
    const evidenceWeights = new Float32Array(this.evidenceWeights.data.length);
    for (const { row, begin, end, firstEdge, weightRow } of this.spans(rows)) {
      const own = hidden.subarray(row * d, (row + 1) * d);
      const gradOwn = gradHidden.subarray(row * d, (row + 1) * d);
      const gradWeights = evidenceWeights.subarray(weightRow, weightRow + channels);
      for (let entry = begin, edge = firstEdge; entry < end; entry++, edge++) {
        const slope = gradLogits[entry] as number;
        const vector = edge * d;
        const mass = entry * channels;
        edgeBias[edge] = (edgeBias[edge] as number) + slope;
        for (let k = 0; k < d; k++) {
          gradOwn[k] = (gradOwn[k] as number) + slope * (vectors[vector + k] as number);
          edges[vector + k] = (edges[vector + k] as number) + slope * (own[k] as number);
        }
        for (let c = 0; c < channels; c++) {
          gradWeights[c] = (gradWeights[c] as number) + slope * (logMasses[mass + c] as number);
        }
      }
    }
    return { hidden: gradHidden, edgeVectors: edges, edgeBias, evidenceWeights };
  }

  /** The gradient of the table of all tokens, `[tokens, d]`, given that of the edge vectors, which contain them. */
  sumByToken(edgeVectors: Float32Array): Float32Array {
    const d = this.inputs.dimension;
    const gain = outputGain(d);
    const sums = new Float32Array(this.inputs.tokens.data.length);
    this.catalogue.branches.edgeTokens.forEach((token, edge) => {
      for (let k = 0; k < d; k++) sums[token * d + k] = at(sums, token * d + k) + gain * at(edgeVectors, edge * d + k);
    });
    return sums;
  }

  /** The gradients of the tables of edges and items, given that of the edge vectors. */
  vectorGradients(edgeVectors: Float32Array): { edges: Float32Array; items: Float32Array } {
    const d = this.inputs.dimension;
    const gain = outputGain(d);
    const items = new Float32Array(this.inputs.items.data.length);
    this.forEachItemBelow((edge, item, share) => {
      for (let k = 0; k < d; k++)
        items[item * d + k] = at(items, item * d + k) + gain * share * at(edgeVectors, edge * d + k);
    });
    return { edges: edgeVectors.map((slope) => gain * slope), items };
  }

  /** Each edge with each of the items below it, and the share of one in their mean. */
  private forEachItemBelow(visit: (edge: number, item: number, share: number) => void): void {
    const { offsets, items } = this.catalogue.itemsBelow;
    for (let edge = 0; edge + 1 < offsets.length; edge++) {
      const share = 1 / (at(offsets, edge + 1) - at(offsets, edge));
      for (let entry = at(offsets, edge); entry < at(offsets, edge + 1); entry++) visit(edge, at(items, entry), share);
    }
  }

  private spans({ nodes, offsets }: OutputRows) {
    const { firstEdge, depth } = this.catalogue.branches;
    return [...nodes.keys()]
      .filter((row) => at(nodes, row) >= 0)
      .map((row) => {
        const node = at(nodes, row);
        const weightRow = Math.min(at(depth, node), DEEPEST) * this.channels;
        return {
          row,
          begin: at(offsets, row),
          end: at(offsets, row + 1),
          firstEdge: at(firstEdge, node),
          weightRow,
          weights: this.evidenceWeights.data.subarray(weightRow, weightRow + this.channels),
        };
      });
  }
}

/** The caller has checked the index. */
function at(array: Float32Array | Float64Array | Int32Array, index: number): number {
  return array[index] as number;
}
