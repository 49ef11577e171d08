import { cutWindows, userSequences } from '../../src/data/sequences';
import { decisionsOf, makeBatch, planBatches } from '../../src/model/batches';
import { channelCount } from '../../src/model/evidence';
import type { Recommender } from '../../src/model/model';
import { Random } from '../../src/random/random';
import { openTinyWorkbench, TINY_DATASET, TINY_PLACES, tinyModel } from '../support/recommender';

const CHANNELS = channelCount('counts');

const { rows } = TINY_DATASET;
let model: Recommender;

beforeAll(async () => {
  model = tinyModel(await openTinyWorkbench(), 4);
});

describe('planBatches', () => {
  it('has each window once, and room for its decisions', () => {
    const { catalogue } = model;
    const windows = cutWindows(userSequences(rows), TINY_PLACES, () => 0);
    const plans = planBatches(catalogue, windows, 16, new Random(1));
    const planned = plans.flatMap((plan) => plan.windows);
    expect(new Set(planned)).toEqual(new Set(windows));
    expect(planned).toHaveLength(windows.length);
    for (const plan of plans) {
      const decisions = plan.windows.map((window) => decisionsOf(catalogue, window));
      expect(Math.max(...decisions)).toBe(plan.decisions);
      expect(plan.windows.length).toBeLessThanOrEqual(16);
    }
  });
});

describe('makeBatch', () => {
  it('holds each decision of each row once, at its place, with the edges to choose from', () => {
    const { catalogue } = model;
    const windows = cutWindows(userSequences(rows), TINY_PLACES, () => 1);
    const room = Math.max(...windows.map((window) => decisionsOf(catalogue, window)));
    const batch = makeBatch(model, windows, windows.length, room);
    const { nodes, targets, edges, items, places, decisions } = batch;
    const { edgeTokens } = catalogue.branches;
    const seen: string[] = [];
    nodes.forEach((node, entry) => {
      expect(targets[entry] === -100).toBe(node === -1);
      expect((places[entry] as number) < 0).toBe(node === -1);
      if (node < 0) return;
      const among = edges.tokens.subarray(edges.offsets[entry], edges.offsets[entry + 1]);
      expect(among.map((edge) => edgeTokens[edge] as number)).toEqual(catalogue.trie.childTokens(node));
      expect(among).toContain(targets[entry]);
      const window = Math.floor(entry / decisions);
      const last = items[window * TINY_PLACES + (places[entry] as number)];
      seen.push(`after ${last}: ${node} ${edgeTokens[targets[entry] as number]}`);
    });
    const expected = windows.flat().flatMap(({ history, target }) => {
      const last = catalogue.indexOf.get(history.at(-1) as number);
      const path = catalogue.choices[catalogue.indexOf.get(target) as number] ?? [];
      return path.map(({ node, token }) => `after ${last}: ${node} ${token}`);
    });
    expect(seen.sort()).toEqual(expected.sort());
  });

  it('has the older history of a window before its first row', () => {
    const [row] = rows as [(typeof rows)[number]];
    const { items, places } = makeBatch(model, [[row]], 1, 16);
    const recent = row.history.slice(-TINY_PLACES).map((item) => model.catalogue.indexOf.get(item));
    expect([...items]).toEqual(recent);
    expect(new Set(places)).toEqual(new Set([TINY_PLACES - 1, -1]));
  });

  it('leaves places without an item empty at the old end', () => {
    const [row] = rows;
    const short = { user: 1, history: row?.history.slice(0, 2) ?? [], target: row?.target ?? 0, time: 0 };
    const { items } = makeBatch(model, [[short]], 2, 16);
    const [older, newer] = short.history.map((item) => model.catalogue.indexOf.get(item));
    expect([...items]).toEqual([-1, -1, older, newer, -1, -1, -1, -1]);
  });

  it('has the evidence of each edge', () => {
    const { evidence } = model;
    const row = rows[3] as (typeof rows)[number];
    const windows = rows.slice(0, 5).map((each) => [each]);
    const { nodes, edges, logMasses, decisions } = makeBatch(model, windows, 6, 16);
    const masses = new Float32Array(evidence.massLength);
    evidence.masses(row, masses);
    let compared = 0;
    for (let entry = 3 * decisions; entry < 4 * decisions; entry++) {
      const node = nodes[entry] as number;
      if (node < 0) continue;
      const expected = new Float32Array(model.catalogue.trie.childCount(node) * CHANNELS);
      evidence.childLogMasses(masses, 0, node, expected, 0);
      const begin = (edges.offsets[entry] as number) * CHANNELS;
      expect(logMasses.subarray(begin, begin + expected.length)).toEqual(expected);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});
