import type { BiasedTokenLists, LinearBearLossResult } from 'fused-bear-loss';
import type { TokenLists } from 'fused-bear-loss/decoding';
import type { Catalogue } from '../data/catalogue.js';
import type { Random } from '../random/random.js';
import type { Embeddings } from './embeddings.js';
import { addScaled, normals, type Tensor, zeros } from './tensor.js';

/** Choices so deep in a title share their evidence weights. */
const DEEPEST = 5;

/** Rows of decisions: the hidden vector of each, where it stands and what may follow. */
export interface OutputRows {
  /** `[N, d]` */
  hidden: Float32Array;
  /** `[N]`: trie nodes, -1 for rows that do not count. */
  nodes: Int32Array;
  /** N lists: the edges to the children of each node. */
  edges: TokenLists;
  /** `[edges.tokens.length, channels]` */
  logMasses: Float32Array;
}

/** Logits of rows as the linear form of the loss takes them: `hidden weight^T + bias`, of what is listed alone. */
export interface LinearLogits {
  hidden: Float32Array;
  weight: Float32Array;
  options: { hiddenSize: number; bias: Float32Array; allowed: BiasedTokenLists };
}

/** Edge vectors are short: Embeddings has it, and so does the network for its inputs. */
function outputGain(dimension: number): number {
  return 20 / Math.sqrt(dimension);
}

/**
 * From hidden vectors to logits, by the linear form. Its vocabulary are the edges of the trie: the vector of an edge is that
 * of its token, one of its own, and the mean of the items below it, the first and the last shared with the input. The
 * evidence is the bias of an entry: log masses, weighted.
 *
 * Unmasked, the tokens follow the edges in the vocabulary, and a row has every token once: those that may follow as edges.
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

  /** `[edges, d]`, or unmasked `[edges + tokens, d]`. It holds until a parameter changes. */
  weight(isMasked = true): Float32Array {
    const { dimension: d, tokens, items } = this.inputs;
    const gain = outputGain(d);
    const length = this.edges.data.length;
    const common = isMasked ? new Float32Array(0) : tokens.data.subarray(0, this.catalogue.vocabulary.choices * d);
    const weight = new Float32Array(length + common.length);
    addScaled(weight, 0, this.edges.data, 0, length, gain);
    this.forEachEdge((edge, token, itemsBelow) => {
      addScaled(weight, edge, tokens.data, token, d, gain);
      for (const item of itemsBelow) addScaled(weight, edge, items.data, item * d, d, gain / itemsBelow.length);
    });
    addScaled(weight, length, common, 0, common.length, gain);
    return weight;
  }

  /** @param weight of this layer, by the same mask */
  logits(rows: OutputRows, isMasked = true, weight = this.weight(isMasked)): LinearLogits {
    const { hidden } = rows;
    const hiddenSize = this.inputs.dimension;
    const lists = isMasked ? rows.edges : this.withOtherTokens(rows);
    const bias = new Float32Array(weight.length / hiddenSize);
    bias.set(this.edgeBias.data);
    const allowed = this.channels === 0 ? lists : { ...lists, bias: this.evidenceBias(rows, lists) };
    return { hidden, weight, options: { hiddenSize, bias, allowed } };
  }

  /** Gradients of all parameters that logits are made of, given those of the linear form. */
  gradients(
    rows: OutputRows,
    { options: { allowed } }: LinearLogits,
    {
      gradWeight,
      gradBias,
      gradAllowedBias,
    }: Pick<LinearBearLossResult, 'gradBias' | 'gradAllowedBias'> & {
      gradWeight: Float32Array;
    },
  ): Record<'tokens' | 'items' | 'edges' | 'edgeBias' | 'evidenceWeights', Float32Array> {
    const { dimension: d, ...inputs } = this.inputs;
    const gain = outputGain(d);
    const edges = new Float32Array(this.edges.data.length);
    const items = new Float32Array(inputs.items.data.length);
    const tokens = new Float32Array(inputs.tokens.data.length);
    addScaled(edges, 0, gradWeight, 0, edges.length, gain);
    addScaled(tokens, 0, gradWeight, edges.length, gradWeight.length - edges.length, gain);
    this.forEachEdge((edge, token, itemsBelow) => {
      addScaled(tokens, token, edges, edge, d, 1);
      for (const item of itemsBelow) addScaled(items, item * d, edges, edge, d, 1 / itemsBelow.length);
    });
    const edgeBias = (gradBias as Float32Array).slice(0, this.edgeBias.data.length);
    const evidenceWeights = new Float32Array(this.evidenceWeights.data.length);
    this.forEachEntry(rows, allowed, (entry, mass, weights) => {
      const slope = gradAllowedBias?.[entry] as number;
      for (let c = 0; c < this.channels; c++) {
        evidenceWeights[weights + c] = at(evidenceWeights, weights + c) + slope * at(rows.logMasses, mass + c);
      }
    });
    return { tokens, items, edges, edgeBias, evidenceWeights };
  }

  /** What the evidence adds to the logits of listed edges. */
  private evidenceBias(rows: OutputRows, lists: TokenLists): Float32Array {
    const bias = new Float32Array(lists.tokens.length);
    this.forEachEntry(rows, lists, (entry, mass, weights) => {
      let sum = 0;
      for (let c = 0; c < this.channels; c++) {
        sum += at(this.evidenceWeights.data, weights + c) * at(rows.logMasses, mass + c);
      }
      bias[entry] = sum;
    });
    return bias;
  }

  /** The edges of each row, and after them every token that none of them has. */
  private withOtherTokens({ nodes, edges }: OutputRows): TokenLists {
    const { vocabulary, branches } = this.catalogue;
    const { choices } = vocabulary;
    const offsets = new Int32Array(nodes.length + 1);
    nodes.forEach((node, row) => {
      offsets[row + 1] = at(offsets, row) + (node < 0 ? 0 : choices);
    });
    const listed = new Int32Array(at(offsets, nodes.length));
    nodes.forEach((node, row) => {
      if (node < 0) return;
      const own = edges.tokens.subarray(at(edges.offsets, row), at(edges.offsets, row + 1));
      listed.set(own, at(offsets, row));
      let next = 0;
      for (let token = 0; token < choices; token++) {
        // Both ascend.
        if (branches.edgeTokens[own[next] as number] === token) next++;
        else listed[at(offsets, row) + own.length + token - next] = branches.edgeCount + token;
      }
    });
    return { offsets, tokens: listed };
  }

  /** Each edge with its token and the items below it; edge and token as places in arrays of vectors. */
  private forEachEdge(visit: (edge: number, token: number, itemsBelow: Int32Array) => void): void {
    const { offsets, items } = this.catalogue.itemsBelow;
    const { dimension: d } = this.inputs;
    this.catalogue.branches.edgeTokens.forEach((token, edge) => {
      visit(edge * d, token * d, items.subarray(at(offsets, edge), at(offsets, edge + 1)));
    });
  }

  /** Each listed edge: its place in `lists`, and those of its log masses and their weights. */
  private forEachEntry(
    { nodes, edges }: OutputRows,
    lists: TokenLists,
    visit: (entry: number, mass: number, weights: number) => void,
  ): void {
    if (this.channels === 0) return;
    const { depth } = this.catalogue.branches;
    nodes.forEach((node, row) => {
      if (node < 0) return;
      const weights = Math.min(at(depth, node), DEEPEST) * this.channels;
      const begin = at(edges.offsets, row);
      const shift = at(lists.offsets, row) - begin;
      for (let edge = begin; edge < at(edges.offsets, row + 1); edge++)
        visit(edge + shift, edge * this.channels, weights);
    });
  }
}

/** The caller has checked the index. */
function at(array: Float32Array | Float64Array | Int32Array, index: number): number {
  return array[index] as number;
}
