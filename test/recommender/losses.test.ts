import { penaltyWeights } from '../../lib/recommender/losses';

describe('penaltyWeights', () => {
  it('is not there where the penalty counts for all decisions', () => {
    expect(penaltyWeights({}, { size: 2, steps: 3 })).toBeUndefined();
  });

  it('keeps the penalty to the decisions from the first up to the end', () => {
    const batch = { size: 2, steps: 4 };
    expect([...(penaltyWeights({ penaltyStart: 1, penaltyEnd: 3 }, batch) ?? [])]).toEqual([0, 0, 1, 1, 1, 1, 0, 0]);
    expect([...(penaltyWeights({ penaltyStart: 3 }, batch) ?? [])]).toEqual([0, 0, 0, 0, 0, 0, 1, 1]);
  });
});
