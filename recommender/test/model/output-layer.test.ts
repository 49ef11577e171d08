import { fusedLinearBearLoss } from 'fused-bear-loss';
import { edgeLists } from '../../src/data/branches';
import { buildCatalogue, type Catalogue } from '../../src/data/catalogue';
import { OutputLayer, type OutputRows } from '../../src/model/output-layer';
import { normals } from '../../src/model/tensor';
import { Random } from '../../src/random/random';

const D = 3;
const CHANNELS = 2;
// Letters as tokens: there is a choice between a, b and c, after a and b again, and after bx once more.
const TITLES = new Map(['ax', 'ay', 'bxp', 'bxq', 'by', 'c'].map((title, index) => [10 + index, title]));

let catalogue: Catalogue;
let output: OutputLayer;
let inputs: { tokens: ReturnType<typeof normals>; items: ReturnType<typeof normals>; dimension: number };

beforeAll(async () => {
  catalogue = await buildCatalogue(TITLES, async (titles) =>
    titles.map((title) => [...title].map((letter) => letter.charCodeAt(0))),
  );
  const random = new Random(3);
  inputs = {
    tokens: normals([catalogue.vocabulary.size, D], 0.1, random),
    items: normals([TITLES.size, D], 0.1, random),
    dimension: D,
  };
  output = new OutputLayer(catalogue, inputs, CHANNELS, random);
  output.edgeBias.data.set(normals([output.edgeBias.data.length], 0.5, random).data);
  output.evidenceWeights.data.set(normals([output.evidenceWeights.data.length], 0.5, random).data);
});

/** Every decision on the way to every item, and after each item a row that does not count. */
function everyDecision(): OutputRows & { targets: Int32Array } {
  const { trie, branches, choices } = catalogue;
  const decisions = choices.flatMap((path) => [...path, undefined]);
  const nodes = Int32Array.from(decisions, (choice) => choice?.node ?? -1);
  const targets = Int32Array.from(decisions, (choice) => choice?.edge ?? -100);
  const edges = edgeLists(trie, branches, nodes);
  const random = new Random(4);
  const normal = (length: number) => normals([length], 1, random).data;
  return { nodes, targets, edges, hidden: normal(D * nodes.length), logMasses: normal(CHANNELS * edges.tokens.length) };
}

/** The sum of the cross-entropies in double precision, as the formula of the model has it. */
function formula(rows: OutputRows & { targets: Int32Array }, isMasked: boolean): number {
  const { edgeTokens, depth, edgeCount } = catalogue.branches;
  const { offsets, items } = catalogue.itemsBelow;
  const gain = 20 / Math.sqrt(D);
  const numbers = (array: Float32Array, place: number) => [...array.subarray(place * D, (place + 1) * D)];
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);
  const vectorOf = (edge: number) => {
    const below = [...items.subarray(offsets[edge], offsets[edge + 1])].map((item) => numbers(inputs.items.data, item));
    const own = numbers(output.edges.data, edge);
    const token = numbers(inputs.tokens.data, edgeTokens[edge] as number);
    return own.map(
      (value, k) =>
        gain *
        (value + (token[k] as number) + below.reduce((sum, vector) => sum + (vector[k] as number), 0) / below.length),
    );
  };
  let loss = 0;
  rows.nodes.forEach((node, row) => {
    if (node < 0) return;
    const hidden = numbers(rows.hidden, row);
    const byToken = new Map<number, number>();
    if (!isMasked) {
      for (let token = 0; token < catalogue.vocabulary.choices; token++) {
        byToken.set(token, gain * dot(hidden, numbers(inputs.tokens.data, token)));
      }
    }
    for (let entry = rows.edges.offsets[row] as number; entry < (rows.edges.offsets[row + 1] as number); entry++) {
      const edge = rows.edges.tokens[entry] as number;
      expect(edge).toBeLessThan(edgeCount);
      let logit = dot(hidden, vectorOf(edge)) + (output.edgeBias.data[edge] as number);
      for (let c = 0; c < CHANNELS; c++) {
        const weight = output.evidenceWeights.data[(depth[node] as number) * CHANNELS + c] as number;
        logit += weight * (rows.logMasses[entry * CHANNELS + c] as number);
      }
      byToken.set(edgeTokens[edge] as number, logit);
    }
    const target = byToken.get(edgeTokens[rows.targets[row] as number] as number) as number;
    loss += Math.log([...byToken.values()].reduce((sum, logit) => sum + Math.exp(logit), 0)) - target;
  });
  return loss;
}

describe.each([
  ['over the allowed tokens', true],
  ['over all tokens', false],
])('the linear form, %s', (_, isMasked) => {
  function linear(rows: OutputRows & { targets: Int32Array }) {
    const logits = output.logits(rows, isMasked);
    const options = { ...logits.options, penalty: 'none', reduction: 'sum' } as const;
    return { logits, result: fusedLinearBearLoss(logits.hidden, logits.weight, rows.targets, options) };
  }

  it('has the loss of the formula', () => {
    const rows = everyDecision();
    expect(linear(rows).result.loss).toBeCloseTo(formula(rows, isMasked), 4);
  });

  it('has the gradient of the formula, by finite differences of each number', () => {
    const rows = everyDecision();
    const { logits, result } = linear(rows);
    const gradients = { ...output.gradients(rows, logits, result), hidden: result.gradHidden };
    const trained = {
      tokens: inputs.tokens.data,
      items: inputs.items.data,
      edges: output.edges.data,
      edgeBias: output.edgeBias.data,
      evidenceWeights: output.evidenceWeights.data,
      hidden: rows.hidden,
    };
    for (const [name, data] of Object.entries(trained)) {
      const gradient = gradients[name as keyof typeof gradients];
      expect(gradient).toHaveLength(data.length);
      expect(gradient.some((slope) => slope !== 0)).toBe(true);
      data.forEach((value, place) => {
        const moved = (distance: number) => {
          data[place] = value + distance;
          const step = (data[place] as number) - value;
          const loss = formula(rows, isMasked);
          data[place] = value;
          return { step, loss };
        };
        const [up, down] = [moved(1e-3), moved(-1e-3)];
        const slope = (up.loss - down.loss) / (up.step - down.step);
        expect([name, place, gradient[place]]).toEqual([name, place, expect.closeTo(slope, 2)]);
      });
    }
  });
});
