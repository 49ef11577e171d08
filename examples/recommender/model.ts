import { blockUntilReady, defaultDevice, init, numpy as np } from '@jax-js/jax';
import type { StepFunction } from 'fused-bear-loss/decoding';
import { type Batch, historyBatch } from './batches.js';
import type { Catalogue } from './catalogue.js';
import type { Row } from './data.js';
import { Embeddings } from './embeddings.js';
import * as network from './network.js';
import { Random } from './random.js';
import { normals, type Tensor, zeros } from './tensor.js';

export interface ModelSize {
  dimension: number;
  /** Most recent items that the encoder reads. */
  historyPlaces: number;
}

/** Means of many token vectors are short; without it the first epochs learn little. */
const INPUT_GAIN = 3;
const ENCODE_ROWS = 128;
/** Rows of one call of the decoder when searching, padded: one compilation for a few and one for many. */
const DECODE_ROWS = [128, 1024];

/** Starts jax-js on the CPU by WebAssembly. */
export async function startDevice(): Promise<void> {
  // Node 20 has no navigator, and jax-js asks it for the number of cores.
  if (!('navigator' in globalThis)) {
    Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 1 }, configurable: true });
  }
  await init('wasm');
  defaultDevice('wasm');
}

/**
 * A generative recommender: a gated recurrent unit reads the history (an item is the mean of its title's tokens plus a vector
 * of its own), another one writes the title of the next item, stepping only where the catalogue leaves a choice. The vectors
 * of tokens serve as input and as output weights. Parameters live on the host; jax-js computes.
 */
export class Recommender {
  readonly embeddings: Embeddings;
  private readonly network: Record<keyof network.NetworkParameters, Tensor>;

  constructor(
    readonly catalogue: Catalogue,
    readonly size: ModelSize,
    seed: number,
  ) {
    const random = new Random(seed);
    const d = size.dimension;
    const weights = (columns: number, gain = 1) => normals([d, columns], gain / Math.sqrt(d), random);
    this.embeddings = new Embeddings(catalogue, d, random);
    this.network = {
      encoderInput: weights(3 * d, INPUT_GAIN),
      encoderHidden: weights(3 * d),
      encoderBias: zeros([3 * d]),
      contextWeights: weights(d),
      contextBias: zeros([d]),
      decoderInput: weights(3 * d, INPUT_GAIN),
      decoderHidden: weights(3 * d),
      decoderBias: zeros([3 * d]),
      outputBias: zeros([catalogue.vocabulary.choices]),
    };
  }

  /** All trained arrays, by name. */
  get parameters(): Record<string, Tensor> {
    return { ...this.network, tokens: this.embeddings.tokens, items: this.embeddings.items };
  }

  get parameterCount(): number {
    return Object.values(this.parameters).reduce((sum, { data }) => sum + data.length, 0);
  }

  /** Logits of a batch, `[steps * size, V]` with V the tokens that need a logit. `dropout` multiplies the context. */
  async logits(batch: Batch, dropout: Float32Array): Promise<Float32Array> {
    const result = network.forward(
      this.networkArrays(network.ALL_NAMES),
      this.inputArrays(batch),
      this.maskArrays(batch, dropout),
    );
    return (await result.data()) as Float32Array;
  }

  /** Gradients of all parameters, given the loss's gradient by the logits. */
  async gradients(
    batch: Batch,
    dropout: Float32Array,
    gradLogits: Float32Array,
  ): Promise<Record<string, Float32Array>> {
    const { choices } = this.catalogue.vocabulary;
    const [byParameters, byInputs] = network.backward(
      this.networkArrays(network.ALL_NAMES),
      this.inputArrays(batch),
      this.maskArrays(batch, dropout),
      toArray({ data: gradLogits, shape: [batch.steps * batch.size, choices] }),
    );
    const dense = await toHost(byParameters);
    const inputs = await toHost(byInputs);
    const { tokens, items } = this.embeddings.gradients(
      batch.items,
      inputs.history,
      batch.nodes,
      inputs.nodes,
      inputs.outputs,
    );
    return { ...dense, tokens, items };
  }

  /** The context vector of each row's history, `[rows, d]`. */
  async contexts(rows: readonly Row[]): Promise<Float32Array> {
    const { dimension: d, historyPlaces } = this.size;
    const contexts = new Float32Array(rows.length * d);
    for (let first = 0; first < rows.length; first += ENCODE_ROWS) {
      const some = rows.slice(first, first + ENCODE_ROWS);
      const items = historyBatch(this.catalogue, some, ENCODE_ROWS, historyPlaces);
      const result = network.encode(
        this.networkArrays(network.ENCODER_NAMES),
        this.historyArray(items, ENCODE_ROWS),
        historyMask(items, ENCODE_ROWS),
      );
      contexts.set(((await result.data()) as Float32Array).subarray(0, some.length * d), first * d);
    }
    return contexts;
  }

  /** What beam search asks: the state is the hidden vector of each row. Logits are computed for the allowed tokens only. */
  stepFunction(contexts: Float32Array): StepFunction<Float32Array> {
    return async ({ users, parents, state, nodes, allowed }) => {
      const previous = state === undefined ? this.gather(contexts, users) : this.gather(state, parents);
      const hidden = await this.decode(nodes, previous);
      return { state: hidden, logits: this.allowedLogits(hidden, allowed.offsets, allowed.tokens), layout: 'allowed' };
    };
  }

  private async decode(nodes: Int32Array, previous: Float32Array): Promise<Float32Array> {
    const d = this.size.dimension;
    const hidden = new Float32Array(previous.length);
    const most = Math.max(...DECODE_ROWS);
    for (let first = 0; first < nodes.length; first += most) {
      const count = Math.min(most, nodes.length - first);
      const padded = DECODE_ROWS.find((rows) => rows >= count) as number;
      const paddedNodes = new Int32Array(padded).fill(-1);
      paddedNodes.set(nodes.subarray(first, first + count));
      const paddedPrevious = new Float32Array(padded * d);
      paddedPrevious.set(previous.subarray(first * d, (first + count) * d));
      const result = network.decode(
        this.networkArrays(network.DECODER_NAMES),
        toArray({ data: this.embeddings.nodeVectors(paddedNodes), shape: [padded, d] }),
        toArray({ data: paddedPrevious, shape: [padded, d] }),
      );
      hidden.set(((await result.data()) as Float32Array).subarray(0, count * d), first * d);
    }
    return hidden;
  }

  private allowedLogits(hidden: Float32Array, offsets: Int32Array, tokens: Int32Array): Float32Array {
    const d = this.size.dimension;
    const outputs = this.embeddings.tokens.data;
    const bias = this.network.outputBias.data;
    const logits = new Float32Array(tokens.length);
    for (let row = 0; row + 1 < offsets.length; row++) {
      for (let entry = offsets[row] as number; entry < (offsets[row + 1] as number); entry++) {
        const token = tokens[entry] as number;
        let sum = bias[token] as number;
        for (let k = 0; k < d; k++) sum += (hidden[row * d + k] as number) * (outputs[token * d + k] as number);
        logits[entry] = sum;
      }
    }
    return logits;
  }

  private gather(rows: Float32Array, indices: Int32Array): Float32Array {
    const d = this.size.dimension;
    const gathered = new Float32Array(indices.length * d);
    indices.forEach((index, row) => {
      gathered.set(rows.subarray(index * d, (index + 1) * d), row * d);
    });
    return gathered;
  }

  /** Only what the called function consumes: jax-js frees nothing by itself. */
  private networkArrays<Name extends keyof network.NetworkParameters>(
    names: readonly Name[],
  ): Pick<network.NetworkParameters, Name> {
    const entries = names.map((name) => [name, toArray(this.network[name])]);
    return Object.fromEntries(entries) as Pick<network.NetworkParameters, Name>;
  }

  private inputArrays({ items, nodes, size, steps }: Batch): network.NetworkInputs {
    const shape = [steps, size, this.size.dimension];
    return {
      history: this.historyArray(items, size),
      nodes: toArray({ data: this.embeddings.nodeVectors(nodes), shape }),
      outputs: toArray(this.embeddings.choiceTokens()),
    };
  }

  private historyArray(items: Int32Array, size: number): np.Array {
    const { dimension, historyPlaces } = this.size;
    return toArray({ data: this.embeddings.itemVectors(items), shape: [historyPlaces, size, dimension] });
  }

  private maskArrays({ items, size }: Batch, dropout: Float32Array): network.Masks {
    const context = toArray({ data: dropout, shape: [size, this.size.dimension] });
    return { history: historyMask(items, size), context };
  }
}

function historyMask(items: Int32Array, size: number): np.Array {
  const data = Float32Array.from(items, (item) => (item < 0 ? 0 : 1));
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
