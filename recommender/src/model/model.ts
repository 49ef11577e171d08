import type { numpy as np } from '@jax-js/jax';
import type { Catalogue } from '../data/catalogue.js';
import type { WordVectors } from '../data/word-vectors.js';
import { Random } from '../random/random.js';
import type { Batch, BatchSource } from './batches.js';
import { readFloats, toDevice, toHost } from './device.js';
import { Embeddings } from './embeddings.js';
import type { Evidence } from './evidence.js';
import * as network from './network.js';
import {
  byName,
  copy,
  initialNetwork,
  type ModelSize,
  type NetworkTensors,
  namedTensors,
  networkOnDevice,
} from './network-parameters.js';
import { type LossInput, type OutputGradients, OutputLayer, type OutputRows } from './output-layer.js';
import { decoderSight, historySight } from './sight.js';
import type { Tensor } from './tensor.js';

/** Factors that multiply activations: dropout in training. */
export interface Dropout {
  /** `[n * H, d]` each. */
  encoder: Record<keyof network.EncoderDropout, Float32Array>;
  /** `[n * M, d]` each. */
  decoder: Record<keyof network.DecoderDropout, Float32Array>;
}

/** Of a batch of this size, each factor as `factors` has it. */
export function makeDropout(
  { size, decisions }: Pick<Batch, 'size' | 'decisions'>,
  { dimension, historyPlaces }: ModelSize,
  factors: (length: number) => Float32Array,
): Dropout {
  const encoder = size * historyPlaces * dimension;
  const decoder = size * decisions * dimension;
  return {
    encoder: {
      items: factors(encoder),
      attended: factors(encoder),
      narrowed: factors(encoder),
      contexts: factors(encoder),
    },
    decoder: { attended: factors(decoder), narrowed: factors(decoder) },
  };
}

/** Parameters that weight decay would pull away from what they mean: biases, and the weights of counts. */
export const UNDECAYED: ReadonlySet<string> = new Set([
  'encoder.distance',
  'encoder.widenBias',
  'decoder.widenBias',
  'edgeBias',
  'evidenceWeights',
]);

/**
 * A generative recommender. A causal transformer reads the history, where an item is the mean of its tokens plus a vector of
 * its own. A decoder writes the next item token by token, where the catalogue leaves a choice: from the context and the prefix,
 * with attention to the history, to a hidden vector, from there to a logit for each token that may follow, to which counted
 * evidence adds, if there is any. Parameters live on the host; jax-js computes the dense part.
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
    wordVectors?: WordVectors,
  ) {
    const width = wordVectors?.values().next().value?.length ?? size.dimension;
    if (width !== size.dimension)
      throw new RangeError(`word vectors of ${width} numbers, and --dimension is ${size.dimension}`);
    const random = new Random(seed);
    this.embeddings = new Embeddings(catalogue, size.dimension, random, wordVectors);
    this.output = new OutputLayer(catalogue, this.embeddings, evidence.channels, random);
    this.network = initialNetwork(size, random);
  }

  get historyPlaces(): number {
    return this.size.historyPlaces;
  }

  /** All trained arrays, by name. */
  get parameters(): Record<string, Tensor> {
    const { tokens, items, nodes } = this.embeddings;
    const { edges, edgeBias, evidenceWeights } = this.output;
    const trained = { ...namedTensors(this.network), tokens, items, nodes, edges, edgeBias };
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

  /** How many choices lead to each decision of a batch; 0 where there is none. */
  decisionNumbers({ nodes }: Batch): Int32Array {
    return nodes.map((node) => (node < 0 ? 0 : (this.catalogue.branches.depth[node] as number)));
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
    return this.inputGradients(batch, dropout, { ...gradients, tokens: this.output.sumByToken(gradients.edgeVectors) });
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
    { hidden, edgeVectors, tokens, ...outputs }: OutputGradients & { tokens: Float32Array },
  ): Promise<Record<string, Float32Array>> {
    const { inputs, masks } = this.arraysOf(batch, dropout);
    const gradHidden = toDevice({ data: hidden, shape: [batch.size * batch.decisions, this.size.dimension] });
    const [byParameters, byInputs] = network.backward(networkOnDevice(this.network), inputs, masks, gradHidden);
    const dense = await toHost(byName<np.Array>(byParameters));
    const { items, prefixes } = await toHost(byInputs);
    const tables = { ...this.output.vectorGradients(edgeVectors), tokens, nodes: this.embeddings.emptyNodes() };
    this.embeddings.addGradients(
      { ids: batch.items, gradient: items },
      { ids: batch.nodes, gradient: prefixes },
      tables,
    );
    return { ...dense, ...outputs, ...tables };
  }

  /** `[V, d]`: the vectors of the tokens that need a logit. */
  private choiceTokens(): np.Array {
    const { choices } = this.catalogue.vocabulary;
    const { dimension } = this.size;
    return toDevice({ data: this.embeddings.tokens.data.slice(0, choices * dimension), shape: [choices, dimension] });
  }

  private arraysOf(
    batch: Batch,
    dropout: Dropout = makeDropout(batch, this.size, (length) => new Float32Array(length).fill(1)),
  ): { inputs: network.NetworkInputs; masks: network.Masks } {
    const { items, places, nodes, size, decisions } = batch;
    const { dimension: d, historyPlaces } = this.size;
    const factors = <Name extends string>(arrays: Record<Name, Float32Array>) =>
      copy(
        Object.fromEntries(
          Object.entries<Float32Array>(arrays).map(([name, data]) => [name, { data, shape: [data.length / d, d] }]),
        ) as Record<Name, Tensor>,
      );
    return {
      inputs: {
        items: toDevice(this.itemVectors(items)),
        prefixes: toDevice({ data: this.embeddings.nodeVectors(nodes), shape: [size, decisions, d] }),
      },
      masks: {
        sight: historySight(items, historyPlaces),
        decoderSight: decoderSight(items, places, historyPlaces),
        encoderDropout: factors(dropout.encoder),
        decoderDropout: factors(dropout.decoder),
      },
    };
  }

  /** What the encoder reads of item indices, `[items.length, d]`. */
  itemVectors(items: Int32Array): Tensor {
    return { data: this.embeddings.itemVectors(items), shape: [items.length, this.size.dimension] };
  }
}
