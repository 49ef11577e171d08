import { makeBatch, planBatches } from '../../src/model/batches';
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
  it('has each row once, and room for its decisions', () => {
    const { catalogue } = model;
    const plans = planBatches(catalogue, rows, 16, new Random(1));
    expect(new Set(plans.flatMap((plan) => plan.rows))).toEqual(new Set(rows));
    expect(plans.reduce((sum, plan) => sum + plan.rows.length, 0)).toBe(rows.length);
    for (const plan of plans) {
      const decisions = plan.rows.map(({ target }) => catalogue.choices[catalogue.indexOf.get(target) ?? -1]?.length);
      expect(Math.max(...(decisions as number[]))).toBeLessThanOrEqual(plan.steps);
      expect(plan.rows.length).toBeLessThanOrEqual(16);
    }
  });
});

describe('makeBatch', () => {
  it('holds each decision of each row once, with the tokens to choose from', () => {
    const { catalogue } = model;
    const { size, nodes, targets, allowed, items } = makeBatch(model, rows, rows.length, 8);
    const seen: string[] = [];
    nodes.forEach((node, entry) => {
      expect(targets[entry] === -100).toBe(node === -1);
      if (node < 0) return;
      const among = allowed.tokens.subarray(allowed.offsets[entry], allowed.offsets[entry + 1]);
      expect(among).toEqual(catalogue.trie.childTokens(node));
      expect(among).toContain(targets[entry]);
      const column = entry % size;
      const history = Array.from({ length: TINY_PLACES }, (_, place) => items[place * size + column]);
      seen.push(`${history}: ${node} ${targets[entry]}`);
    });
    const expected = rows.flatMap(({ history, target }) => {
      const recent = history.slice(-TINY_PLACES).map((item) => catalogue.indexOf.get(item));
      const path = catalogue.choices[catalogue.indexOf.get(target) as number] ?? [];
      return path.map(({ node, token }) => `${recent}: ${node} ${token}`);
    });
    expect(seen.sort()).toEqual(expected.sort());
  });

  it('leaves places without an item empty at the old end', () => {
    const [row] = rows;
    const short = { user: 1, history: row?.history.slice(0, 2) ?? [], target: row?.target ?? 0, time: 0 };
    const { items } = makeBatch(model, [short], 2, 8);
    const [older, newer] = short.history.map((item) => model.catalogue.indexOf.get(item));
    expect([...items]).toEqual([-1, -1, -1, -1, older, -1, newer, -1]);
  });

  it('has the evidence of each allowed token', () => {
    const { evidence } = model;
    const row = rows[3] as (typeof rows)[number];
    const { nodes, allowed, logMasses, size } = makeBatch(model, rows.slice(0, 5), 6, 8);
    const masses = new Float64Array(evidence.massLength);
    evidence.masses(row, masses);
    for (let entry = 3; entry < nodes.length; entry += size) {
      const node = nodes[entry] as number;
      if (node < 0) continue;
      const expected = new Float32Array(model.catalogue.trie.childCount(node) * CHANNELS);
      evidence.childLogMasses(masses, 0, node, expected, 0);
      const begin = (allowed.offsets[entry] as number) * CHANNELS;
      expect(logMasses.subarray(begin, begin + expected.length)).toEqual(expected);
    }
  });
});
