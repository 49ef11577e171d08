import type { StepFunction } from 'fused-bear-loss/decoding';
import type { Query } from '../data/dataset.js';
import { historyItems } from './batches.js';
import { readFloats, toDevice, toHost } from './device.js';
import type { Recommender } from './model.js';
import * as network from './network.js';
import { copy } from './network-parameters.js';
import { historySight } from './sight.js';
import type { Tensor } from './tensor.js';

/** Users of one call of the network: one compilation for a single one and one for many. */
const USERS = [1, 128];
/** Rows of each user in one call of the decoder. */
const SLOTS = 16;
/** Masses of the evidence held at once, in numbers of 8 bytes. */
const MOST_MASSES = 4e6;
/** Users whose keys and values are held at once. */
const MOST_USERS = 4096;

/** How many queries one search should serve, so that their evidence fits in memory. */
export function queriesAtOnce({ evidence }: Recommender): number {
  return Math.max(1, Math.min(MOST_USERS, Math.floor(MOST_MASSES / Math.max(1, evidence.massLength))));
}

/**
 * What the decoder needs of some users, computed once: `[n, 1, d]` contexts, `[n, H, d]` keys and values. On the host, where
 * they are freed by themselves.
 */
interface Memory {
  users: number;
  cached: Record<'last' | 'keys' | 'values', Tensor>;
  /** `[n, slots, H]` */
  sight: Tensor;
}

/**
 * The step function that beam search asks. Without state: the trie node is the prefix, and the keys and values of the history
 * serve all of its steps. Logits are computed for the allowed tokens only; user i is `queries[i]`.
 */
export async function makeSearchStep(model: Recommender, queries: readonly Query[]): Promise<StepFunction<undefined>> {
  const { evidence, output } = model;
  const { massLength, channels } = evidence;
  const memories = await encodeHistories(model, queries);
  const masses = new Float64Array(massLength * queries.length);
  queries.forEach((query, index) => {
    evidence.masses(query, masses.subarray(index * massLength, (index + 1) * massLength));
  });
  const edgeVectors = output.edgeVectors();
  return async ({ users, nodes, allowed: { offsets, tokens } }) => {
    const hidden = await decode(model, memories, users, nodes);
    const logMasses = new Float32Array(tokens.length * channels);
    nodes.forEach((node, row) => {
      const start = (offsets[row] as number) * channels;
      evidence.childLogMasses(masses, (users[row] as number) * massLength, node, logMasses, start);
    });
    const logits = output.logits({ hidden, nodes, offsets, logMasses }, edgeVectors);
    return { state: undefined, logits, layout: 'allowed' };
  };
}

async function encodeHistories(model: Recommender, queries: readonly Query[]): Promise<Memory[]> {
  const { dimension: d, historyPlaces: places } = model.size;
  const { encoder, decoder } = model.network;
  const { key, value } = decoder;
  const users = USERS.find((count) => count >= queries.length) ?? Math.max(...USERS);
  const memories: Memory[] = [];
  for (let first = 0; first < queries.length; first += users) {
    const items = historyItems(model.catalogue, queries.slice(first, first + users), users, places);
    const { last, keys, values } = await toHost(
      network.encode(
        copy(encoder),
        copy({ key, value }),
        toDevice(model.itemVectors(items)),
        historySight(items, places),
      ),
    );
    const seen = new Float32Array(users * SLOTS * places);
    items.forEach((item, index) => {
      const isEmpty = item < 0 && (index + 1) % places !== 0;
      if (!isEmpty) return;
      const [user, place] = [Math.floor(index / places), index % places];
      for (let slot = 0; slot < SLOTS; slot++) seen[(user * SLOTS + slot) * places + place] = network.EXCLUDED;
    });
    memories.push({
      users,
      cached: {
        last: { data: last, shape: [users, 1, d] },
        keys: { data: keys, shape: [users, places, d] },
        values: { data: values, shape: [users, places, d] },
      },
      sight: { data: seen, shape: [users, SLOTS, places] },
    });
  }
  return memories;
}

/** Hidden vectors, `[nodes.length, d]`, of rows that stand at `nodes`. */
async function decode(
  model: Recommender,
  memories: readonly Memory[],
  users: Int32Array,
  nodes: Int32Array,
): Promise<Float32Array> {
  const { dimension: d } = model.size;
  const { key, value, ...decoder } = model.network.decoder;
  const hidden = new Float32Array(nodes.length * d);
  let row = 0;
  while (row < nodes.length) {
    const [{ users: count }] = memories as [Memory];
    const group = Math.floor((users[row] as number) / count);
    const { cached, sight } = memories[group] as Memory;
    // Rows of one user are next to each other; those that find no slot wait for the next call.
    const rowAt = new Int32Array(count * SLOTS).fill(-1);
    const taken = new Int32Array(count);
    for (; row < nodes.length; row++) {
      const user = (users[row] as number) - group * count;
      if (user >= count || taken[user] === SLOTS) break;
      rowAt[user * SLOTS + (taken[user] as number)] = row;
      taken[user] = (taken[user] as number) + 1;
    }
    const prefixes = model.embeddings.nodeVectors(rowAt.map((at) => (at < 0 ? -1 : (nodes[at] as number))));
    const result = network.decode(
      copy(decoder),
      copy(cached),
      toDevice({ data: prefixes, shape: [count, SLOTS, d] }),
      toDevice(sight),
    );
    const vectors = await readFloats(result);
    rowAt.forEach((at, slot) => {
      if (at >= 0) hidden.set(vectors.subarray(slot * d, (slot + 1) * d), at * d);
    });
  }
  return hidden;
}
