import type { Comparison } from '../../src/comparison/comparison';
import type { Evaluation } from '../../src/training/evaluation';
import type { MarginHistogram } from '../../src/training/margins';
import type { RunResult } from '../../src/training/run';
import { DEFAULT_RUN_OPTIONS } from '../../src/training/run-options';

/** Of rows that take two decisions each. */
function evaluation(exactRanks: number[], beamRanks: number[], droppedAt: number[]): Evaluation {
  const exactRows = [...exactRanks.keys()];
  return { exactRows, exactRanks, beamRanks, droppedAt, steps: droppedAt.map(() => 2), searchMilliseconds: 1 };
}

function histogram(counts: number[]): MarginHistogram {
  const decisions = counts.reduce((sum, count) => sum + count, 0);
  return { binWidth: 1, from: -1, counts: [counts], decisions: [decisions], pruned: [counts[1] ?? 0] };
}

function result(validation: Evaluation, test: Evaluation, ndcg: number[] = [0.1, 0.2]): RunResult {
  return {
    options: DEFAULT_RUN_OPTIONS,
    data: 'made up',
    dataDigest: '',
    metrics: ndcg.map((validationNdcg, index) => ({
      epoch: index + 1,
      validationNdcg,
      loss: 1,
      crossEntropy: 1,
      prunedRate: 0,
      // The last epoch is held up.
      lossMilliseconds: index === ndcg.length - 1 ? 100 : 50,
      stepMilliseconds: index === ndcg.length - 1 ? 9000 : 1000,
    })),
    bestEpoch: ndcg.length,
    parameterCount: 1,
    validation,
    test,
    marginsBefore: histogram([1, 3]),
    marginsAfter: histogram([3, 1]),
  };
}

// Four rows of two users; three of them are among the exact best. MSL loses two of these, the other variant one.
const FOUND_ONE = evaluation([0, 1, -1, 2], [0, -1, -1, -1], [-1, 0, 1, 1]);
const FOUND_TWO = evaluation([0, 1, -1, 2], [0, 1, -1, -1], [-1, -1, 0, 1]);

/** Two seeds of two variants. On the test rows the better of the two on the validation rows is the worse. */
export function madeUpComparison(): Comparison {
  const heldOut = { users: [7, 7, 8, 8], baselines: [{ name: 'popularity', ranks: [0, -1, -1, -1] }] };
  return {
    description: 'made up <data>',
    options: { ...DEFAULT_RUN_OPTIONS, beamWidth: 3 },
    validation: heldOut,
    test: heldOut,
    seeds: [1, 2],
    variants: [
      { name: 'msl', results: [result(FOUND_ONE, FOUND_TWO), result(FOUND_ONE, FOUND_TWO, [0.2, 0.4, 0.3])] },
      { name: 'hinge,lambda=1', results: [result(FOUND_TWO, FOUND_ONE), result(FOUND_ONE, FOUND_ONE)] },
    ],
  };
}
