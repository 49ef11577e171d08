import { type ResultLine, resultsTable } from '../../src/cli/results-table';

const popularity: ResultLine = { name: 'popularity', ranks: [0, 1] };
const model: ResultLine = {
  name: 'MSL',
  ranks: [0, -1, 4, 9, 2, -1, -1, 12],
  pruning: { rate: 3 / 8, pruned: 3, eligible: 8 },
  lossShare: 0.03,
};

function cellsOf(name: string, table: string): string[] {
  const line = table.split('\n').find((text) => text.includes(name)) as string;
  return line.split('│').map((cell) => cell.trim());
}

describe('the table of a training', () => {
  it('has HitRatio, NDCG, the pruning rate with both counts and the share of the loss', () => {
    const cells = cellsOf('MSL', resultsTable([popularity, model], [1, 5, 10]));
    expect(cells.slice(2, 5)).toEqual(['0.1250', '0.3750', '0.5000']);
    expect(cells.slice(8, 10)).toEqual(['37.5 % (3 of 8)', '3.0 %']);
  });

  it('leaves out what a baseline does not have', () => {
    const cells = cellsOf('popularity', resultsTable([popularity, model], [1, 5, 10]));
    expect(cells.slice(2, 5)).toEqual(['0.5000', '1.0000', '1.0000']);
    expect(cells.slice(8, 10)).toEqual(['-', '-']);
  });
});
