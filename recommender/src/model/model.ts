import type { numpy as np } from '@jax-js/jax';
import type { Catalogue } from '../data/catalogue.js';
import { Random } from '../random/random.js';
import type { Batch, BatchSource } from './batches.js';
import { readFloats, toDevice, toHost } from './device.js';
import { Embeddings } from './embeddings.js';
import type { Evidence } from './evidence.js';
import * as network from './network.js';
import { initialNetwork, type ModelSize, type NetworkTensors, networkOnDevice } from './network-parameters.js';
import { type LossInput, type OutputGradients, OutputLayer, type OutputRows } from './output-layer.js';
import type { Tensor } from './tensor.js';

/** Factors that multiply activations: dropout in training. */
export interface Dropout {
  /** `[n, d]` */
  context: Float32Array;
  /** `[T * n, d]` */
  hidden: Float32Array;
}

/**
 * A generative recommender. Attention reads the history, where an item is the mean of its title's tokens plus a vector of its
 * own. A feed-forward decoder writes the title of the next item token by token, where the catalogue leaves a choice: from the
 * context and the prefix to a hidden vector, from there to a logit for each token that may follow, to which counted evidence
 * adds, if there is any. Parameters live on the host; jax-js computes the dense part.
 */
export class Recommender implements BatchSource {
  readonly embeddings: Embeddings;
  readonly output: OutputLayer;
  readonly network: NetworkTensors;
  private masked = new Float32Array(0);

  constructor(
    readonly catalogue: Catalogue,
    readonly evidence: Evidence,
    readonly size: ModelSize,
    seed: number,
  ) {
    const random = new Random(seed);
    this.embeddings = new Embeddings(catalogue, size.dimension, random);
    this.output = new OutputLayer(catalogue, this.embeddings.tokens, size.dimension, evidence.channels, random);
    this.network = initialNetwork(size, random);
  }

  get historyPlaces(): number {
    return this.size.historyPlaces;
  }

  /** All trained arrays, by name. */
  get parameters(): Record<string, Tensor> {
    const { tokens, items, nodes } = this.embeddings;
    const { edges, edgeBias, evidenceWeights } = this.output;
    const trained = { ...this.network, tokens, items, nodes, edges, edgeBias };
    return this.evidence.channels === 0 ? trained : { ...trained, evidenceWeights };
  }

  get parameterCount(): number {
    return Object.values(this.parameters).reduce((sum, { data }) => sum + data.length, 0);
  }

  /** The rows of a batch before the output layer, which gives one logit for each allowed token. */
  async hiddenRows(batch: Batch, dropout?: Dropout): Promise<OutputRows> {
    const { inputs, masks } = this.arraysOf(batch, dropout);
    const result = network.forward(networkOnDevice(this.network), inputs, masks);
    const { nodes, logMasses } = batch;
    return { hidden: await readFloats(result), nodes, offsets: batch.allowed.offsets, logMasses };
  }

  /** Room for masked logits. Only allowed places are ever written or read, so it is kept and needs no clearing. */
  maskedLogits(length: number): Float32Array {
    if (this.masked.length < length) this.masked = new Float32Array(length);
    return this.masked.subarray(0, length);
  }

  /** Logits of all tokens of rows of hidden vectors, `[N, V]`, without what edges and evidence add. */
  async tokenLogits(hidden: Float32Array): Promise<Float32Array> {
    const { dimension: d } = this.size;
    const rows = toDevice({ data: hidden, shape: [hidden.length / d, d] });
    return readFloats(network.tokenLogits(rows, this.choiceTokens()));
  }

  /** Gradients of all parameters, given the loss's gradient by the logits of the allowed tokens. */
  async gradients(
    batch: Batch,
    dropout: Dropout,
    { rows, edgeVectors }: LossInput,
    gradAllowed: Float32Array,
  ): Promise<Record<string, Float32Array>> {
    const gradients = this.output.gradients(rows, edgeVectors, gradAllowed);
    return this.inputGradients(batch, dropout, { ...gradients, tokens: this.output.sumByToken(gradients.edges) });
  }

  /** The same where the loss took the logits of all tokens. */
  async unmaskedGradients(
    batch: Batch,
    dropout: Dropout,
    { rows, edgeVectors, logits: gradLogits, shape }: LossInput,
    gradAllowed: Float32Array,
  ): Promise<Record<string, Float32Array>> {
    const gradients = this.output.gradients(rows, edgeVectors, gradAllowed);
    const { dimension: d } = this.size;
    const hidden = toDevice({ data: rows.hidden, shape: [shape[0], d] });
    const dense = await toHost(
      network.tokenGradients(hidden, this.choiceTokens(), toDevice({ data: gradLogits, shape })),
    );
    const tokens = new Float32Array(this.embeddings.tokens.data.length);
    tokens.set(dense.tokens);
    const sum = dense.hidden.map((slope, index) => slope + (gradients.hidden[index] as number));
    return this.inputGradients(batch, dropout, { ...gradients, hidden: sum, tokens });
  }

  private async inputGradients(
    batch: Batch,
    dropout: Dropout,
    { hidden, ...outputs }: OutputGradients & { tokens: Float32Array },
  ): Promise<Record<string, Float32Array>> {
    const { inputs, masks } = this.arraysOf(batch, dropout);
    const gradHidden = toDevice({ data: hidden, shape: [batch.steps * batch.size, this.size.dimension] });
    const [byParameters, byInputs] = network.backward(networkOnDevice(this.network), inputs, masks, gradHidden);
    const dense = await toHost(byParameters);
    const { history, prefixes } = await toHost(byInputs);
    const tables = this.embeddings.gradients(batch.items, history, batch.nodes, prefixes, outputs.tokens);
    return { ...dense, ...outputs, ...tables };
  }

  /** `[V, d]`: the vectors of the tokens that need a logit. */
  private choiceTokens(): np.Array {
    const { choices } = this.catalogue.vocabulary;
    const { dimension } = this.size;
    return toDevice({ data: this.embeddings.tokens.data.slice(0, choices * dimension), shape: [choices, dimension] });
  }

  private arraysOf(
    { items, nodes, size, steps }: Batch,
    dropout?: Dropout,
  ): { inputs: network.NetworkInputs; masks: network.Masks } {
    const d = this.size.dimension;
    const { history, mask } = historyArrays(this, items, size);
    const context = dropout?.context ?? new Float32Array(size * d).fill(1);
    const hidden = dropout?.hidden ?? new Float32Array(steps * size * d).fill(1);
    return {
      inputs: { history, prefixes: toDevice({ data: this.embeddings.nodeVectors(nodes), shape: [steps, size, d] }) },
      masks: {
        history: mask,
        context: toDevice({ data: context, shape: [size, d] }),
        hidden: toDevice({ data: hidden, shape: [steps * size, d] }),
      },
    };
  }
}

/**
 * What the encoder reads of `[H, n]` item indices: `[H, n, d]` vectors, and a mask `[H, n, 1]`, 1 where there is an item. A
 * column without any, which pads a batch, counts its last place, so that nothing divides by 0.
 */
export function historyArrays(
  { embeddings, size: { dimension, historyPlaces } }: Recommender,
  items: Int32Array,
  n: number,
): { history: np.Array; mask: np.Array } {
  const mask = new Float32Array(items.length);
  // Not Float32Array.from, which makes a list of all values first.
  items.forEach((item, index) => {
    mask[index] = item < 0 && index < items.length - n ? 0 : 1;
  });
  return {
    history: toDevice({ data: embeddings.itemVectors(items), shape: [historyPlaces, n, dimension] }),
    mask: toDevice({ data: mask, shape: [historyPlaces, n, 1] }),
  };
}
