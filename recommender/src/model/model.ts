import { type numpy as np, tree } from '@jax-js/jax';
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
  paddedPlaces,
} from './network-parameters.js';
import { OutputLayer, type OutputRows } from './output-layer.js';
import { decoderSight, historySight } from './sight.js';
import type { Tensor } from './tensor.js';

/** Factors that multiply activations: dropout in training. */
export interface Dropout {
  /** `[n * P, d]` each. */
  encoder: Record<keyof network.EncoderDropout, Float32Array>;
  /** `[n * M, d]` each. */
  decoder: Record<keyof network.DecoderDropout, Float32Array>;
}

/** Of a batch of this size, each factor as `factors` has it. They are drawn for the places of the history alone. */
export function makeDropout(
  { size, decisions }: Pick<Batch, 'size' | 'decisions'>,
  { dimension, historyPlaces }: ModelSize,
  factors: (length: number) => Float32Array,
): Dropout {
  const ofPlaces = () => {
    const drawn = historyPlaces * dimension;
    const padded = paddedPlaces(historyPlaces) * dimension;
    const all = factors(size * drawn);
    const spread = new Float32Array(size * padded);
    for (let window = 0; window < size; window++) {
      spread.set(all.subarray(window * drawn, (window + 1) * drawn), (window + 1) * padded - drawn);
    }
    return spread;
  };
  const decoder = size * decisions * dimension;
  return {
    encoder: { items: ofPlaces(), attended: ofPlaces(), narrowed: ofPlaces(), contexts: ofPlaces() },
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

/** On the device. */
type NetworkArrays = [network.NetworkParameters, network.NetworkInputs, network.Masks];

export interface TrainingRows extends OutputRows {
  arrays: NetworkArrays;
}

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

  /** The rows of a batch before the output layer. */
  async hiddenRows(batch: Batch): Promise<OutputRows> {
    return rowsOf(batch, network.forward(...this.arraysOf(batch)));
  }

  /** The same in training. `gradients` takes them and frees what they hold. */
  async trainingRows(batch: Batch, dropout: Dropout): Promise<TrainingRows> {
    const arrays = this.arraysOf(batch, dropout);
    return { ...(await rowsOf(batch, network.forward(...tree.ref(arrays)))), arrays };
  }

  /** How many choices lead to each decision of a batch; 0 where there is none. */
  decisionNumbers({ nodes }: Batch): Int32Array {
    return nodes.map((node) => (node < 0 ? 0 : (this.catalogue.branches.depth[node] as number)));
  }

  /** Gradients of all parameters, given those of hidden vectors and of what the output layer trains. */
  async gradients(
    { size, decisions, items, nodes }: Batch,
    { arrays }: TrainingRows,
    hidden: Float32Array,
    ofOutput: ReturnType<OutputLayer['gradients']>,
  ): Promise<Record<string, Float32Array>> {
    const gradHidden = toDevice({ data: hidden, shape: [size * decisions, this.size.dimension] });
    const [byParameters, byInputs] = network.backward(...arrays, gradHidden);
    const dense = await toHost(byName<np.Array>(byParameters));
    const inputs = await toHost(byInputs);
    const tables = { ...ofOutput, nodes: this.embeddings.emptyNodes() };
    this.embeddings.addGradients(
      { ids: items, gradient: inputs.items },
      { ids: nodes, gradient: inputs.prefixes },
      tables,
    );
    return { ...dense, ...tables };
  }

  private arraysOf(
    batch: Batch,
    dropout: Dropout = makeDropout(batch, this.size, (length) => new Float32Array(length).fill(1)),
  ): NetworkArrays {
    const { items, places, nodes, size, decisions } = batch;
    const { dimension: d, historyPlaces } = this.size;
    const factors = <Name extends string>(arrays: Record<Name, Float32Array>) =>
      copy(
        Object.fromEntries(
          Object.entries<Float32Array>(arrays).map(([name, data]) => [name, { data, shape: [data.length / d, d] }]),
        ) as Record<Name, Tensor>,
      );
    return [
      networkOnDevice(this.network),
      {
        items: toDevice(this.itemVectors(items)),
        prefixes: toDevice({ data: this.embeddings.nodeVectors(nodes), shape: [size, decisions, d] }),
      },
      {
        sight: historySight(items, historyPlaces),
        decoderSight: decoderSight(items, places, historyPlaces),
        encoderDropout: factors(dropout.encoder),
        decoderDropout: factors(dropout.decoder),
      },
    ];
  }

  /** What the encoder reads of item indices, `[items.length, d]`. */
  itemVectors(items: Int32Array): Tensor {
    return { data: this.embeddings.itemVectors(items), shape: [items.length, this.size.dimension] };
  }
}

async function rowsOf({ nodes, edges, logMasses }: Batch, hidden: np.Array): Promise<OutputRows> {
  return { hidden: await readFloats(hidden), nodes, edges, logMasses };
}
