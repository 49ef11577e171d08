import { linearTopTokens } from 'fused-bear-loss';
import type { StepRequest, StepTop } from 'fused-bear-loss/decoding';
import { edgeLists } from '../data/branches.js';
import type { Query } from '../data/dataset.js';
import { historyItems } from './batches.js';
import { readFloats, toDevice, toHost } from './device.js';
import type { Recommender } from './model.js';
import * as network from './network.js';
import { copy, paddedPlaces } from './network-parameters.js';
import { historySight } from './sight.js';
import { sizeOf, type Tensor } from './tensor.js';

/** Users of one call of the encoder, lots of one call of the decoder: each is a compilation. */
const AT_ONCE = [1, 16, 128];
/** Rows of one user in one call of the decoder, a lot: at most the usual beam. A wider one has one copy of keys and values. */
const LOT_ROWS = [1, 4, 10];
/** Masses of the evidence held at once, in numbers of 4 bytes. */
const MOST_MASSES = 8e6;
/** Users whose keys and values are held at once. */
const MOST_USERS = 4096;

/** How many queries one search should serve, so that their evidence fits in memory. */
export function queriesAtOnce({ evidence }: Recommender): number {
  return Math.max(1, Math.min(MOST_USERS, Math.floor(MOST_MASSES / Math.max(1, evidence.massLength))));
}

/** A step function that ranks the tokens itself. */
export type SearchStep = (request: StepRequest<undefined>) => Promise<StepTop<undefined>>;

/** For a search of so many queries, and for others after it: new memory takes longer than what is written to it. */
export function roomForMasses({ evidence }: Recommender, queries: number): Float32Array {
  return new Float32Array(evidence.massLength * queries);
}

/**
 * What the decoder needs of all users, computed once: `[users, d]` contexts, `[users, P, d]` keys and values, and
 * `[users, P]` which places count. On the host, where it is freed by itself.
 */
type Memory = Record<'last' | 'keys' | 'values' | 'sight', Float32Array>;

/**
 * The step function that beam search asks. Without state: the trie node is the prefix, and the keys and values of the history
 * serve all of its steps. All rows of a step are ranked in one call, of the allowed tokens only; user i is `queries[i]`.
 *
 * @param masses room for the evidence of all queries, which the step uses until it is not called any more
 */
export async function makeSearchStep(
  model: Recommender,
  queries: readonly Query[],
  masses = roomForMasses(model, queries.length),
): Promise<SearchStep> {
  const { catalogue, evidence, output } = model;
  const { massLength, channels } = evidence;
  const memory = await encodeHistories(model, queries);
  queries.forEach((query, index) => {
    evidence.masses(query, masses.subarray(index * massLength, (index + 1) * massLength));
  });
  const weight = output.weight();
  return async ({ users, nodes, ranking: { beamWidth, ...scaling } }) => {
    const hidden = await decode(model, memory, users, nodes);
    const edges = edgeLists(catalogue.trie, catalogue.branches, nodes);
    const logMasses = new Float32Array(edges.tokens.length * channels);
    nodes.forEach((node, row) => {
      const start = (edges.offsets[row] as number) * channels;
      evidence.childLogMasses(masses, (users[row] as number) * massLength, node, logMasses, start);
    });
    const { options } = output.logits({ hidden, nodes, edges, logMasses }, true, weight);
    const top = linearTopTokens(hidden, weight, beamWidth, { ...options, ...scaling });
    // Unused places hold -1, which is no edge.
    const tokens = top.tokens.map((edge) => catalogue.branches.edgeTokens[edge] ?? -1);
    return { top: { ...top, tokens }, state: undefined };
  };
}

async function encodeHistories(model: Recommender, queries: readonly Query[]): Promise<Memory> {
  const { dimension: d, historyPlaces } = model.size;
  const places = paddedPlaces(historyPlaces);
  const { encoder, decoder } = model.network;
  const { key, value } = decoder;
  const atOnce = countAtOnce(queries.length);
  const padded = atOnce * Math.ceil(queries.length / atOnce);
  const memory: Memory = {
    last: new Float32Array(padded * d),
    keys: new Float32Array(padded * places * d),
    values: new Float32Array(padded * places * d),
    sight: new Float32Array(padded * places),
  };
  for (let first = 0; first < queries.length; first += atOnce) {
    const items = historyItems(model.catalogue, queries.slice(first, first + atOnce), atOnce, historyPlaces);
    const { last, keys, values } = await toHost(
      network.encode(
        copy(encoder),
        copy({ key, value }),
        toDevice(model.itemVectors(items)),
        historySight(items, historyPlaces),
      ),
    );
    memory.last.set(last, first * d);
    memory.keys.set(keys, first * places * d);
    memory.values.set(values, first * places * d);
    items.forEach((item, index) => {
      const isEmpty = item < 0 && (index + 1) % places !== 0;
      if (isEmpty) memory.sight[first * places + index] = network.EXCLUDED;
    });
  }
  return memory;
}

/** Hidden vectors, `[nodes.length, d]`, of rows that stand at `nodes`. */
async function decode(model: Recommender, memory: Memory, users: Int32Array, nodes: Int32Array): Promise<Float32Array> {
  const { dimension: d, historyPlaces } = model.size;
  const places = paddedPlaces(historyPlaces);
  const { key, value, ...decoder } = model.network.decoder;
  const hidden = new Float32Array(nodes.length * d);
  const { lotRows, lots } = cheapestLots(users);
  for (let first = 0; first < lots.length; ) {
    const atOnce = countAtOnce(lots.length - first);
    const some = lots.slice(first, first + atOnce);
    first += atOnce;
    const rowAt = new Int32Array(atOnce * lotRows).fill(-1);
    some.forEach(({ begin, end }, lot) => {
      for (let row = begin; row < end; row++) rowAt[lot * lotRows + row - begin] = row;
    });
    /** What the memory has of the user of each lot. */
    const gathered = (name: keyof Memory, shape: number[]): Tensor => {
      const length = sizeOf(shape);
      const data = new Float32Array(atOnce * length);
      some.forEach(({ begin }, lot) => {
        const user = users[begin] as number;
        data.set(memory[name].subarray(user * length, (user + 1) * length), lot * length);
      });
      return { data, shape: [atOnce, ...shape] };
    };
    const prefixes = model.embeddings.nodeVectors(rowAt.map((row) => (row < 0 ? -1 : (nodes[row] as number))));
    const result = network.decode(
      copy(decoder),
      copy({
        last: gathered('last', [1, d]),
        keys: gathered('keys', [places, d]),
        values: gathered('values', [places, d]),
      }),
      toDevice({ data: prefixes, shape: [atOnce, lotRows, d] }),
      toDevice(gathered('sight', [1, places])),
    );
    const vectors = await readFloats(result);
    rowAt.forEach((row, slot) => {
      if (row >= 0) hidden.set(vectors.subarray(slot * d, (slot + 1) * d), row * d);
    });
  }
  return hidden;
}

/** Rows of one user that are next to each other, at most `most` of them. */
interface Lot {
  begin: number;
  end: number;
}

/** Those whose calls have the fewest rows to compute, where a lot counts as one more. */
function cheapestLots(users: Int32Array): { lotRows: number; lots: Lot[] } {
  const choices = LOT_ROWS.map((lotRows) => {
    const lots = cutLots(users, lotRows);
    let computed = 0;
    while (computed < lots.length) computed += countAtOnce(lots.length - computed);
    return { lotRows, lots, cost: computed * (lotRows + 1) };
  });
  return choices.reduce((best, choice) => (choice.cost < best.cost ? choice : best));
}

function cutLots(users: Int32Array, most: number): Lot[] {
  const lots: Lot[] = [];
  users.forEach((user, row) => {
    const lot = lots.at(-1);
    if (lot && users[lot.begin] === user && row - lot.begin < most) lot.end = row + 1;
    else lots.push({ begin: row, end: row + 1 });
  });
  return lots;
}

function countAtOnce(length: number): number {
  return AT_ONCE.find((count) => count >= length) ?? Math.max(...AT_ONCE);
}
