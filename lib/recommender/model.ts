import { blockUntilReady, defaultDevice, init, numpy as np } from '@jax-js/jax';
import type { StepFunction } from '../decoding/index.js';
import { type Batch, type BatchSource, historyBatch } from './batches.js';
import type { Catalogue } from './catalogue.js';
import type { Query } from './dataset.js';
import { Embeddings } from './embeddings.js';
import { CHANNEL_COUNT, type Evidence } from './evidence.js';
import * as network from './network.js';
import { type OutputGradients, OutputLayer, type OutputRows } from './output-layer.js';
import { Random } from './random.js';
import { normals, type Tensor, zeros } from './tensor.js';
import type { LossInput } from './training-step.js';

export interface ModelSize {
  dimension: number;
  /** Most recent items that the encoder reads. */
  historyPlaces: number;
}

/** Factors that multiply activations: dropout in training. */
export interface Dropout {
  /** `[n, d]` */
  context: Float32Array;
  /** `[T * n, d]` */
  hidden: Float32Array;
}

/** Means of many token vectors are short; without it the first epochs learn little. */
const INPUT_GAIN = 3;
const ENCODE_ROWS = 128;
/** Rows of one call of the decoder when searching, padded: one compilation for a few and one for many. */
const DECODE_ROWS = [128, 1024];
/** Masses of the evidence held at once when searching, in numbers of 8 bytes. */
const MOST_MASSES = 4e6;

/** Starts jax-js on the CPU by WebAssembly. */
export async function startDevice(): Promise<void> {
  // Node 20 has no navigator, and jax-js asks it for the number of cores.
  if (!('navigator' in globalThis)) {
    Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 1 }, configurable: true });
  }
  await init('wasm');
  defaultDevice('wasm');
}

type NetworkTensors = Record<keyof network.NetworkParameters, Tensor>;

/**
 * A generative recommender. Attention reads the history, where an item is the mean of its title's tokens plus a vector of its
 * own. A feed-forward decoder writes the title of the next item token by token, where the catalogue leaves a choice: from the
 * context and the prefix to a hidden vector, from there to a logit for each token that may follow, to which counted evidence
 * adds. Parameters live on the host; jax-js computes the dense part.
 */
export class Recommender implements BatchSource {
  readonly embeddings: Embeddings;
  readonly output: OutputLayer;
  private readonly network: NetworkTensors;

  constructor(
    readonly catalogue: Catalogue,
    readonly evidence: Evidence,
    readonly size: ModelSize,
    seed: number,
  ) {
    const random = new Random(seed);
    this.embeddings = new Embeddings(catalogue, size.dimension, random);
    this.output = new OutputLayer(catalogue, this.embeddings.tokens, size.dimension, random);
    this.network = initialNetwork(size, random);
  }

  get historyPlaces(): number {
    return this.size.historyPlaces;
  }

  /** All trained arrays, by name. */
  get parameters(): Record<string, Tensor> {
    const { tokens, items, nodes } = this.embeddings;
    const { edges, edgeBias, evidenceWeights } = this.output;
    return { ...this.network, tokens, items, nodes, edges, edgeBias, evidenceWeights };
  }

  get parameterCount(): number {
    return Object.values(this.parameters).reduce((sum, { data }) => sum + data.length, 0);
  }

  /** The rows of a batch before the output layer, which gives one logit for each allowed token. */
  async hiddenRows(batch: Batch, dropout?: Dropout): Promise<OutputRows> {
    const result = network.forward(this.networkArrays(), this.inputArrays(batch), this.maskArrays(batch, dropout));
    const { nodes, logMasses } = batch;
    return { hidden: (await result.data()) as Float32Array, nodes, offsets: batch.allowed.offsets, logMasses };
  }

  /** Logits of all tokens of rows of hidden vectors, `[N, V]`, without what edges and evidence add. */
  async tokenLogits(hidden: Float32Array): Promise<Float32Array> {
    const { dimension: d } = this.size;
    const result = network.tokenLogits(toArray({ data: hidden, shape: [hidden.length / d, d] }), this.choiceTokens());
    return (await result.data()) as Float32Array;
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
    const hidden = toArray({ data: rows.hidden, shape: [shape[0], d] });
    const dense = await toHost(
      network.tokenGradients(hidden, this.choiceTokens(), toArray({ data: gradLogits, shape })),
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
    const [byParameters, byInputs] = network.backward(
      this.networkArrays(),
      this.inputArrays(batch),
      this.maskArrays(batch, dropout),
      toArray({ data: hidden, shape: [batch.steps * batch.size, this.size.dimension] }),
    );
    const dense = await toHost(byParameters);
    const { history, prefixes } = await toHost(byInputs);
    const tables = this.embeddings.gradients(batch.items, history, batch.nodes, prefixes, outputs.tokens);
    return { ...dense, ...outputs, ...tables };
  }

  /** `[V, d]`: the vectors of the tokens that need a logit. */
  private choiceTokens(): np.Array {
    const { choices } = this.catalogue.vocabulary;
    const { dimension } = this.size;
    return toArray({ data: this.embeddings.tokens.data.slice(0, choices * dimension), shape: [choices, dimension] });
  }

  /** How many queries one step function should serve, so that its evidence fits in memory. */
  get queriesAtOnce(): number {
    return Math.max(1, Math.floor(MOST_MASSES / this.evidence.massLength));
  }

  /**
   * What beam search asks. Without state: the trie node is the prefix. Logits are computed for the allowed tokens only; user i
   * is `queries[i]`.
   */
  async stepFunction(queries: readonly Query[]): Promise<StepFunction<undefined>> {
    const contexts = await this.contexts(queries);
    const { massLength } = this.evidence;
    const masses = new Float64Array(massLength * queries.length);
    queries.forEach((query, index) => {
      this.evidence.masses(query, masses.subarray(index * massLength, (index + 1) * massLength));
    });
    const edgeVectors = this.output.edgeVectors();
    return async ({ users, nodes, allowed }) => {
      const hidden = await this.decode(nodes, this.gather(contexts, users));
      const logMasses = new Float32Array(allowed.tokens.length * CHANNEL_COUNT);
      nodes.forEach((node, row) => {
        const start = (allowed.offsets[row] as number) * CHANNEL_COUNT;
        this.evidence.childLogMasses(masses, (users[row] as number) * massLength, node, logMasses, start);
      });
      const logits = this.output.logits({ hidden, nodes, offsets: allowed.offsets, logMasses }, edgeVectors);
      return { state: undefined, logits, layout: 'allowed' };
    };
  }

  /** The context vector of each history, `[queries, d]`. */
  private async contexts(queries: readonly Query[]): Promise<Float32Array> {
    const { dimension: d, historyPlaces } = this.size;
    const contexts = new Float32Array(queries.length * d);
    for (let first = 0; first < queries.length; first += ENCODE_ROWS) {
      const some = queries.slice(first, first + ENCODE_ROWS);
      const items = historyBatch(this.catalogue, some, ENCODE_ROWS, historyPlaces);
      const result = network.encode(
        this.pickArrays(ENCODER_NAMES),
        this.historyArray(items, ENCODE_ROWS),
        historyMask(items, ENCODE_ROWS),
      );
      contexts.set(((await result.data()) as Float32Array).subarray(0, some.length * d), first * d);
    }
    return contexts;
  }

  private async decode(nodes: Int32Array, contexts: Float32Array): Promise<Float32Array> {
    const d = this.size.dimension;
    const hidden = new Float32Array(contexts.length);
    const most = Math.max(...DECODE_ROWS);
    for (let first = 0; first < nodes.length; first += most) {
      const count = Math.min(most, nodes.length - first);
      const padded = DECODE_ROWS.find((rows) => rows >= count) as number;
      const paddedNodes = new Int32Array(padded).fill(-1);
      paddedNodes.set(nodes.subarray(first, first + count));
      const paddedContexts = new Float32Array(padded * d);
      paddedContexts.set(contexts.subarray(first * d, (first + count) * d));
      const result = network.decode(
        this.pickArrays(DECODER_NAMES),
        toArray({ data: paddedContexts, shape: [padded, d] }),
        toArray({ data: this.embeddings.nodeVectors(paddedNodes), shape: [padded, d] }),
      );
      hidden.set(((await result.data()) as Float32Array).subarray(0, count * d), first * d);
    }
    return hidden;
  }

  private gather(rows: Float32Array, indices: Int32Array): Float32Array {
    const d = this.size.dimension;
    const gathered = new Float32Array(indices.length * d);
    indices.forEach((index, row) => {
      gathered.set(rows.subarray(index * d, (index + 1) * d), row * d);
    });
    return gathered;
  }

  private networkArrays(): network.NetworkParameters {
    return this.pickArrays([...ENCODER_NAMES, ...DECODER_NAMES]);
  }

  /** Only what the called function consumes: jax-js frees nothing by itself. */
  private pickArrays<Name extends keyof NetworkTensors>(names: readonly Name[]): Record<Name, np.Array> {
    const entries = names.map((name) => [name, toArray(this.network[name])]);
    return Object.fromEntries(entries) as Record<Name, np.Array>;
  }

  private inputArrays({ items, nodes, size, steps }: Batch): network.NetworkInputs {
    const shape = [steps, size, this.size.dimension];
    return {
      history: this.historyArray(items, size),
      prefixes: toArray({ data: this.embeddings.nodeVectors(nodes), shape }),
    };
  }

  private historyArray(items: Int32Array, size: number): np.Array {
    const { dimension, historyPlaces } = this.size;
    return toArray({ data: this.embeddings.itemVectors(items), shape: [historyPlaces, size, dimension] });
  }

  private maskArrays({ items, size, steps }: Batch, dropout?: Dropout): network.Masks {
    const { dimension } = this.size;
    const context = dropout?.context ?? new Float32Array(size * dimension).fill(1);
    const hidden = dropout?.hidden ?? new Float32Array(steps * size * dimension).fill(1);
    return {
      history: historyMask(items, size),
      context: toArray({ data: context, shape: [size, dimension] }),
      hidden: toArray({ data: hidden, shape: [steps * size, dimension] }),
    };
  }
}

const ENCODER_NAMES = [
  'attentionItem',
  'attentionLast',
  'attentionScore',
  'attentionPlace',
  'contextWeights',
  'contextBias',
] as const satisfies (keyof network.EncoderParameters)[];
const DECODER_NAMES = [
  'decoderContext',
  'decoderPrefix',
  'decoderBias',
  'hiddenWeights',
  'hiddenBias',
] as const satisfies (keyof network.DecoderParameters)[];

function initialNetwork({ dimension: d, historyPlaces }: ModelSize, random: Random): NetworkTensors {
  const weights = (rows: number, columns: number, gain = 1) => normals([rows, columns], gain / Math.sqrt(rows), random);
  return {
    attentionItem: weights(d, d, INPUT_GAIN),
    attentionLast: weights(d, d, INPUT_GAIN),
    attentionScore: weights(d, 1),
    attentionPlace: zeros([historyPlaces, 1, 1]),
    contextWeights: weights(3 * d, d, INPUT_GAIN),
    contextBias: zeros([d]),
    decoderContext: weights(d, d),
    decoderPrefix: weights(d, d, INPUT_GAIN),
    decoderBias: zeros([d]),
    hiddenWeights: weights(d, d),
    hiddenBias: zeros([d]),
  };
}

/** 1 where there is an item. A column without any, which pads a batch, counts its last place, so that nothing divides by 0. */
function historyMask(items: Int32Array, size: number): np.Array {
  const data = Float32Array.from(items, (item, index) => (item < 0 && index < items.length - size ? 0 : 1));
  return toArray({ data, shape: [items.length / size, size, 1] });
}

function toArray({ data, shape }: Tensor): np.Array {
  return np.array(data).reshape(shape);
}

async function toHost<Names extends string>(arrays: Record<Names, np.Array>): Promise<Record<Names, Float32Array>> {
  await blockUntilReady(arrays);
  const entries = Object.entries<np.Array>(arrays);
  const copies = await Promise.all(entries.map(async ([name, array]) => [name, await array.data()] as const));
  return Object.fromEntries(copies) as Record<Names, Float32Array>;
}
