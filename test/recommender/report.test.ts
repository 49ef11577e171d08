import { baselineResult, formatTable, modelResult, noiseStatement } from '../../examples/recommender/report';

function run(beamRanks: number[], pruned: number, eligible: number, lossMilliseconds: number) {
  return {
    evaluation: { beamRanks, exactRanks: [], pruning: { rate: pruned / eligible, pruned, eligible } },
    training: { epochLosses: [], lossMilliseconds, stepMilliseconds: 100 },
  };
}

describe('the report', () => {
  const model = modelResult('MSL', [run([0, -1, 4, 9], 1, 3, 2), run([2, -1, -1, 12], 2, 5, 4)]);

  it('takes the ranks and counts of all seeds together', () => {
    const line = formatTable([model])
      .split('\n')
      .find((text) => text.includes('MSL')) as string;
    const cells = line.split('│').map((cell) => cell.trim());
    expect(cells.slice(2, 5)).toEqual(['0.1250', '0.3750', '0.5000']);
    expect(cells.slice(7, 9)).toEqual(['37.5 % (3 of 8)', '3.0 %']);
  });

  it('leaves out what a baseline does not have', () => {
    const line = formatTable([baselineResult('popularity', [0, 1])]);
    expect(line).toMatch(/popularity │ 0\.5000 │ 1\.0000 │ 1\.0000 │ .* │ +- │ +- │/);
  });

  it('says how far chance moves the models, not the baselines', () => {
    const statement = noiseStatement([baselineResult('popularity', [0, 0, 0, 0]), model], 4);
    expect(statement).toContain('HitRatio@10 of 0.500 on 4 rows is 0.2500');
  });
});
