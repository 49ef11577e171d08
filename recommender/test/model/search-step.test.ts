import { fusedLinearBearLoss } from 'fused-bear-loss';
import { makeBatch } from '../../src/model/batches';
import { makeSearchStep } from '../../src/model/search-step';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from '../support/recommender';

const { rows } = TINY_DATASET;

/** More than a node of these data has children. */
const BEAM_WIDTH = 30;

/** What a search asks about users that stand at nodes, from the start. */
function requestOf(users: number[], nodes: number[]) {
  return {
    users: Int32Array.from(users),
    nodes: Int32Array.from(nodes),
    parents: new Int32Array(nodes.length).fill(-1),
    consumed: { offsets: new Int32Array(nodes.length + 1), tokens: new Int32Array(0) },
    ranking: { beamWidth: BEAM_WIDTH, temperature: 1, softcap: undefined },
    state: undefined,
  };
}

describe('makeSearchStep', () => {
  it('has the probabilities that training has', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    const { trie, branches } = model.catalogue;
    const row = rows[0] as (typeof rows)[number];
    const { nodes, targets, ...batch } = makeBatch(model, [[row]], 1, 16);
    const { hidden, weight, options } = model.output.logits(await model.hiddenRows({ nodes, targets, ...batch }));
    const { nll } = fusedLinearBearLoss(hidden, weight, targets, { ...options, penalty: 'none', rows: true }).rows;
    const step = await makeSearchStep(model, [row]);
    const decisions = [...nodes].filter((node) => node >= 0);
    expect(decisions.length).toBeGreaterThan(1);
    for (const [index, node] of decisions.entries()) {
      const { top } = await step({ ...requestOf([0], [node]), allowed: trie.allowed([node]) });
      const tokens = [...top.tokens].filter((token) => token >= 0);
      expect(tokens.sort((a, b) => a - b)).toEqual([...trie.childTokens(node)]);
      const place = top.tokens.indexOf(branches.edgeTokens[targets[index] as number] as number);
      expect(top.logProbabilities[place]).toBeCloseTo(-(nll[index] as number), 5);
    }
  });

  it('has the probabilities of a row whatever other rows are in the step', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    const { trie, branches } = model.catalogue;
    const branching = [...branches.numberOf.keys()].filter((node) => branches.numberOf[node] !== -1);
    const step = await makeSearchStep(model, rows.slice(0, 3));
    const ranked = async (users: number[], nodes: number[]) => {
      const { top } = await step({ ...requestOf(users, nodes), allowed: trie.allowed(nodes) });
      return [...top.logProbabilities];
    };
    // More rows of a user than one call of the decoder has room for, one row, and some.
    const counts = [37, 1, 16];
    const users = counts.flatMap((count, user) => Array.from({ length: count }, () => user));
    const nodes = users.map((_, row) => branching[(5 * row) % branching.length] as number);
    const alone: number[] = [];
    for (const [row, user] of users.entries()) alone.push(...(await ranked([user], [nodes[row] as number])));
    expect(await ranked(users, nodes)).toEqual(alone);
  });
});
