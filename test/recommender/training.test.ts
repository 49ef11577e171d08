import { makeBatch, makeBatches } from '../../examples/recommender/batches';
import { buildCatalogue, type Catalogue } from '../../examples/recommender/catalogue';
import { evaluate } from '../../examples/recommender/evaluate';
import { LOSSES } from '../../examples/recommender/losses';
import { Recommender, startDevice } from '../../examples/recommender/model';
import { Random } from '../../examples/recommender/random';
import { syntheticDataset } from '../../examples/recommender/synthetic';
import { train } from '../../examples/recommender/train';

const PLACES = 4;
const { titles, rows } = syntheticDataset({ items: 30, users: 20, purchases: 7 }, 5);
let catalogue: Catalogue;

beforeAll(async () => {
  await startDevice();
  catalogue = await buildCatalogue(titles);
});

function tinyModel(dimension: number, seed = 1): Recommender {
  return new Recommender(catalogue, { dimension, historyPlaces: PLACES }, seed);
}

describe('makeBatches', () => {
  it('holds each decision of each row once, with the tokens to choose from', () => {
    const batches = makeBatches(catalogue, rows, 16, PLACES, new Random(1));
    const seen: string[] = [];
    for (const { size, nodes, targets, allowed, items } of batches) {
      nodes.forEach((node, entry) => {
        expect(targets[entry] === -100).toBe(node === -1);
        if (node < 0) return;
        const among = allowed.tokens.subarray(allowed.offsets[entry], allowed.offsets[entry + 1]);
        expect(among).toEqual(catalogue.trie.childTokens(node));
        expect(among).toContain(targets[entry]);
        const column = entry % size;
        const history = Array.from({ length: PLACES }, (_, place) => items[place * size + column]);
        seen.push(`${history}: ${node} ${targets[entry]}`);
      });
    }
    const expected = rows.flatMap(({ history, target }) => {
      const recent = history.slice(-PLACES).map((item) => catalogue.indexOf.get(item));
      const path = catalogue.choices[catalogue.indexOf.get(target) as number] ?? [];
      return path.map(({ node, token }) => `${recent}: ${node} ${token}`);
    });
    expect(seen.sort()).toEqual(expected.sort());
  });

  it('leaves places without an item empty at the old end', () => {
    const [row] = rows;
    const short = { user: 1, history: row?.history.slice(0, 2) ?? [], target: row?.target ?? 0 };
    const { items } = makeBatch(catalogue, [short], 2, 8, PLACES);
    const [older, newer] = short.history.map((item) => catalogue.indexOf.get(item));
    expect([...items]).toEqual([-1, -1, -1, -1, older, -1, newer, -1]);
  });
});

describe('the gradient of the model', () => {
  it('is the slope of sum(logits * G) by every kind of parameter', async () => {
    const model = tinyModel(3);
    const random = new Random(7);
    const batch = makeBatch(catalogue, rows.slice(0, 3), 4, 8, PLACES);
    const dropout = Float32Array.from({ length: 4 * 3 }, (_, index) => (index % 5 === 0 ? 0 : 1.25));
    const weights = Float32Array.from({ length: batch.targets.length * catalogue.vocabulary.choices }, () =>
      random.normal(),
    );
    const surrogate = async () => {
      const logits = await model.logits(batch, dropout);
      return logits.reduce((sum, logit, index) => sum + logit * (weights[index] as number), 0);
    };
    const gradients = await model.gradients(batch, dropout, weights);
    for (const [name, { data }] of Object.entries(model.parameters)) {
      const gradient = gradients[name] as Float32Array;
      expect(gradient.length).toBe(data.length);
      // Along the gradient itself the slope is its norm: a wrong or missing entry would show.
      const norm = Math.sqrt(gradient.reduce((sum, slope) => sum + slope * slope, 0));
      expect(norm).toBeGreaterThan(0);
      const kept = data.slice();
      const moved = async (distance: number) => {
        data.forEach((_, index) => {
          data[index] = (kept[index] as number) + (distance * (gradient[index] as number)) / norm;
        });
        const value = await surrogate();
        data.set(kept);
        return value;
      };
      const distance = 5e-3;
      const slope = ((await moved(distance)) - (await moved(-distance))) / (2 * distance);
      expect(`${name} ${Math.abs(slope / norm - 1) < 5e-3}`).toBe(`${name} true`);
    }
  });
});

describe('train', () => {
  const options = { epochs: 8, batchSize: 32, learningRate: 0.03, dropout: 0, seed: 1 };

  it.each(LOSSES)('$name: the loss falls', async ({ options: loss }) => {
    // A beam of 2: among 30 items a wider one would prune nothing.
    const { epochLosses } = await train(tinyModel(8), rows, { ...options, loss: { ...loss, beamWidth: 2 } });
    expect(epochLosses.length).toBe(8);
    expect(epochLosses[7]).toBeLessThan(0.85 * (epochLosses[0] as number));
  });

  it('gives the same numbers again for the same seed', async () => {
    const short = { ...options, epochs: 1, dropout: 0.2, loss: {} };
    const [first, second] = [tinyModel(4), tinyModel(4)];
    expect((await train(first, rows, short)).epochLosses).toEqual((await train(second, rows, short)).epochLosses);
    expect(first.parameters).toEqual(second.parameters);
  });

  it('tells how far it is', async () => {
    const seen: number[] = [];
    const onStep = ({ done, total }: { done: number; total: number }) => seen.push(done / total);
    await train(tinyModel(4), rows, { ...options, epochs: 2, loss: {}, onStep });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});

describe('evaluate', () => {
  it('decodes with the probabilities that the loss trained', async () => {
    const model = tinyModel(4);
    const some = rows.slice(0, 6);
    const { beamRanks, exactRanks, pruning } = await evaluate(model, some);
    expect(beamRanks.length).toBe(6);
    expect(exactRanks.length).toBe(6);
    expect(pruning.eligible).toBe(exactRanks.filter((rank) => rank >= 0 && rank < 10).length);

    // The step of the search and the training pass are two ways through the model: their logits must be the same.
    const row = some[0] as (typeof rows)[number];
    const batch = makeBatch(catalogue, [row], 1, 8, PLACES);
    const logits = await model.logits(batch, new Float32Array(4).fill(1));
    const step = model.stepFunction(await model.contexts([row]));
    let state: Float32Array | undefined;
    for (let index = 0; index < batch.steps && (batch.nodes[index] as number) >= 0; index++) {
      const nodes = batch.nodes.subarray(index, index + 1);
      const allowed = catalogue.trie.allowed(nodes);
      const consumed = { offsets: Int32Array.of(0, 0), tokens: new Int32Array(0) };
      const asked = {
        users: Int32Array.of(0),
        parents: Int32Array.of(index === 0 ? -1 : 0),
        state,
        consumed,
        nodes,
        allowed,
      };
      const result = await step(asked);
      state = result.state;
      allowed.tokens.forEach((token, entry) => {
        const trained = logits[index * catalogue.vocabulary.choices + token] as number;
        expect(result.logits[entry]).toBeCloseTo(trained, 5);
      });
    }
  });
});
