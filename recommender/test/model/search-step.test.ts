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
});
