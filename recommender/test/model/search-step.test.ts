import { makeBatch } from '../../src/model/batches';
import { makeSearchStep } from '../../src/model/search-step';
import { lossInput } from '../../src/training/training-step';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from '../support/recommender';

const { rows } = TINY_DATASET;

describe('makeSearchStep', () => {
  it('has the logits that training has', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    const { catalogue } = model;
    const row = rows[0] as (typeof rows)[number];
    const batch = makeBatch(model, [[row]], 1, 16);
    const { logits } = await lossInput(model, batch);
    const step = await makeSearchStep(model, [row]);
    for (let index = 0; index < batch.decisions && (batch.nodes[index] as number) >= 0; index++) {
      const nodes = batch.nodes.subarray(index, index + 1);
      const allowed = catalogue.trie.allowed(nodes);
      const consumed = { offsets: Int32Array.of(0, 0), tokens: new Int32Array(0) };
      const parents = Int32Array.of(index === 0 ? -1 : 0);
      const result = await step({ users: Int32Array.of(0), parents, state: undefined, consumed, nodes, allowed });
      allowed.tokens.forEach((token, entry) => {
        const trained = logits[index * catalogue.vocabulary.choices + token] as number;
        expect(result.logits[entry]).toBeCloseTo(trained, 5);
      });
    }
  });

  it('has the logits of a row whatever other rows are in the step', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    const { trie, branches } = model.catalogue;
    const branching = [...branches.numberOf.keys()].filter((node) => branches.numberOf[node] !== -1);
    const step = await makeSearchStep(model, rows.slice(0, 3));
    const logitsOf = async (users: number[], nodes: number[]) => {
      const allowed = trie.allowed(Int32Array.from(nodes));
      const parents = new Int32Array(nodes.length).fill(-1);
      const consumed = { offsets: new Int32Array(nodes.length + 1), tokens: new Int32Array(0) };
      const request = { users: Int32Array.from(users), nodes: Int32Array.from(nodes), parents, consumed, allowed };
      return [...(await step({ ...request, state: undefined })).logits] as number[];
    };
    // More rows of a user than one call of the decoder has room for, one row, and some.
    const counts = [37, 1, 16];
    const users = counts.flatMap((count, user) => Array.from({ length: count }, () => user));
    const nodes = users.map((_, row) => branching[(5 * row) % branching.length] as number);
    const alone: number[] = [];
    for (const [row, user] of users.entries()) alone.push(...(await logitsOf([user], [nodes[row] as number])));
    expect(await logitsOf(users, nodes)).toEqual(alone);
  });
});
