import type { StepFunction } from 'fused-bear-loss/decoding';
import type { Query } from '../data/dataset.js';
import { historyBatch } from './batches.js';
import { readFloats, toDevice } from './device.js';
import { historyArrays, type Recommender } from './model.js';
import * as network from './network.js';
import { decoderOnDevice, encoderOnDevice } from './network-parameters.js';

const ENCODE_ROWS = 128;
/** Rows of one call of the decoder, padded: one compilation for a few and one for many. */
const DECODE_ROWS = [128, 1024];
/** Masses of the evidence held at once, in numbers of 8 bytes. */
const MOST_MASSES = 4e6;

/** How many queries one search should serve, so that their evidence fits in memory. */
export function queriesAtOnce({ evidence }: Recommender): number {
  return Math.max(1, Math.floor(MOST_MASSES / Math.max(1, evidence.massLength)));
}

/**
 * The step function that beam search asks. Without state: the trie node is the prefix. Logits are computed for the allowed
 * tokens only; user i is `queries[i]`.
 */
export async function makeSearchStep(model: Recommender, queries: readonly Query[]): Promise<StepFunction<undefined>> {
  const { evidence, output } = model;
  const { massLength, channels } = evidence;
  const contexts = await encodeHistories(model, queries);
  const masses = new Float64Array(massLength * queries.length);
  queries.forEach((query, index) => {
    evidence.masses(query, masses.subarray(index * massLength, (index + 1) * massLength));
  });
  const edgeVectors = output.edgeVectors();
  return async ({ users, nodes, allowed: { offsets, tokens } }) => {
    const hidden = await decode(model, nodes, gatherRows(contexts, users, model.size.dimension));
    const logMasses = new Float32Array(tokens.length * channels);
    nodes.forEach((node, row) => {
      const start = (offsets[row] as number) * channels;
      evidence.childLogMasses(masses, (users[row] as number) * massLength, node, logMasses, start);
    });
    const logits = output.logits({ hidden, nodes, offsets, logMasses }, edgeVectors);
    return { state: undefined, logits, layout: 'allowed' };
  };
}

/** The context vector of each history, `[queries, d]`. */
async function encodeHistories(model: Recommender, queries: readonly Query[]): Promise<Float32Array> {
  const { dimension: d, historyPlaces } = model.size;
  const contexts = new Float32Array(queries.length * d);
  for (let first = 0; first < queries.length; first += ENCODE_ROWS) {
    const some = queries.slice(first, first + ENCODE_ROWS);
    const items = historyBatch(model.catalogue, some, ENCODE_ROWS, historyPlaces);
    const { history, mask } = historyArrays(model, items, ENCODE_ROWS);
    const result = network.encode(encoderOnDevice(model.network), history, mask);
    contexts.set((await readFloats(result)).subarray(0, some.length * d), first * d);
  }
  return contexts;
}

/** Hidden vectors, `[nodes.length, d]`, of prefixes that stand at `nodes` and the context of each. */
async function decode(model: Recommender, nodes: Int32Array, contexts: Float32Array): Promise<Float32Array> {
  const d = model.size.dimension;
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
      decoderOnDevice(model.network),
      toDevice({ data: paddedContexts, shape: [padded, d] }),
      toDevice({ data: model.embeddings.nodeVectors(paddedNodes), shape: [padded, d] }),
    );
    hidden.set((await readFloats(result)).subarray(0, count * d), first * d);
  }
  return hidden;
}

function gatherRows(rows: Float32Array, indices: Int32Array, d: number): Float32Array {
  const gathered = new Float32Array(indices.length * d);
  indices.forEach((index, row) => {
    gathered.set(rows.subarray(index * d, (index + 1) * d), row * d);
  });
  return gathered;
}
