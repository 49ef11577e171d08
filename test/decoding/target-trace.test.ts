import { beamSearch, prunedByStep, rankOfItem, TokenTrie, traceTargets } from '../../lib/decoding/index';
import { SeededRandom } from '../support/random';
import { prefixModel } from './support';

// P(0 .) = 0.6 split in two, P(1 .) = 0.4 whole.
const trie = TokenTrie.fromSequences([
  [0, 2],
  [0, 3],
  [1, 2],
]);
const step = prefixModel(4, (_user, _prefix, token) => (token === 0 ? Math.log(0.6) : token === 1 ? Math.log(0.4) : 0));

describe('traceTargets', () => {
  it('tells the step that drops a target', async () => {
    const trace = await traceTargets({ step, trie, users: 3, beamWidth: 1, targets: [0, 1, 2] });
    expect(Array.from(trace.droppedAt)).toEqual([-1, 1, 0]);
    expect(Array.from(trace.steps)).toEqual([2, 2, 2]);
    const wide = await traceTargets({ step, trie, users: 3, beamWidth: 3, targets: [0, 1, 2] });
    expect(Array.from(wide.droppedAt)).toEqual([-1, -1, -1]);
  });

  it.each(['skip', 'step'] as const)('drops exactly what is not in the result (%s)', async (forcedTokens) => {
    const random = new SeededRandom(12);
    const sequences = Array.from({ length: 60 }, () => [random.integer(4), random.integer(4), random.integer(4), 4]);
    const built = TokenTrie.fromSequences(sequences);
    const model = prefixModel(5, (user, prefix, token) =>
      Math.sin(user * 7 + prefix.length * 3 + token * 11 + (prefix[0] ?? 0)),
    );
    const targets = Array.from({ length: 40 }, () => random.integer(60));
    const search = { step: model, trie: built, users: 40, beamWidth: 3, forcedTokens, usersPerStep: 7 };
    const trace = await traceTargets({ ...search, targets });
    expect(trace.rankings).toEqual(await beamSearch(search));
    trace.rankings.forEach((ranking, user) => {
      expect(rankOfItem(ranking, targets[user] as number) >= 0).toBe(trace.droppedAt[user] === -1);
    });
    const steps = prunedByStep(trace);
    expect(steps.reduce((sum, { pruned }) => sum + pruned, 0)).toBe(trace.droppedAt.filter((at) => at >= 0).length);
    expect(steps[0]?.present).toBe(40);
    for (const { step: at, present, pruned, share } of steps) {
      expect(share).toBe(present === 0 ? 0 : pruned / present);
      expect(steps[at + 1]?.present ?? 0).toBeLessThanOrEqual(present - pruned);
    }
  });

  it('counts the eligible rows only', () => {
    const trace = { droppedAt: Int32Array.of(0, 1, -1, 0), steps: Int32Array.of(2, 2, 2, 1) };
    expect(prunedByStep(trace)).toEqual([
      { step: 0, present: 4, pruned: 2, share: 0.5 },
      { step: 1, present: 2, pruned: 1, share: 0.5 },
    ]);
    expect(prunedByStep(trace, [false, true, true, false])).toEqual([
      { step: 0, present: 2, pruned: 0, share: 0 },
      { step: 1, present: 2, pruned: 1, share: 0.5 },
    ]);
    expect(prunedByStep(trace, [0, 0, 0, 0])).toEqual([]);
  });

  it.each([
    ['too few targets', [0], 'ERR_BEAR_SHAPE'],
    ['an item that is not in the trie', [0, 9], 'ERR_BEAR_ITEM_UNKNOWN'],
  ])('refuses %s', async (_, targets, code) => {
    await expect(traceTargets({ step, trie, users: 2, targets })).rejects.toThrow(
      expect.objectContaining({ code, argument: 'targets' }),
    );
  });
});
