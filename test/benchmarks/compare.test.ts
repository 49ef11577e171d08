import { formatComparison, readRun } from '../../benchmarks/compare';

const machine = {
  processor: 'A',
  threads: 2,
  caches: [],
  memoryBytes: 2 ** 30,
  system: 'Linux',
  node: 'v20',
  instructionSet: 'avx2',
  tuning: 'default',
  loadAverageBefore: [0],
  loadAverageAfter: [0],
};

function runOf(milliseconds: Record<string, number>, more: object = {}) {
  const measurements = Object.entries(milliseconds).map(([name, percentile10]) => ({ name, percentile10 }));
  const run = { suite: 'linear', machine, cases: [{ name: '8 x 100', measurements, memory: [] }], ...more };
  return readRun(JSON.stringify(run), 'run.json');
}

describe('bench compare', () => {
  it('puts what both files have beside each other, with the ratio', () => {
    expect(formatComparison(runOf({ BEAR: 2 }), runOf({ BEAR: 3 }))).toMatch(
      /8 x 100 +│ BEAR +│ 2\.00 +│ 3\.00 +│ 1\.500/,
    );
  });

  it('shows what only one of them has', () => {
    const text = formatComparison(runOf({ old: 2 }), runOf({ new: 3 }));
    expect(text).toMatch(/old +│ 2\.00 +│ - +│ -/);
    expect(text).toMatch(/new +│ - +│ 3\.00 +│ -/);
  });

  it('says that the runs were on two machines', () => {
    const elsewhere = runOf({ BEAR: 2 }, { machine: { ...machine, processor: 'B' } });
    expect(formatComparison(runOf({ BEAR: 2 }), elsewhere)).toContain('Not the same machine');
    expect(formatComparison(runOf({ BEAR: 2 }), runOf({ BEAR: 2 }))).not.toContain('Not the same machine');
  });

  it('refuses files of two suites, and what is no file of the benchmark', () => {
    expect(() => formatComparison(runOf({}), runOf({}, { suite: 'beam' }))).toThrow('linear before, beam after');
    expect(() => readRun('{}', 'a.json')).toThrow('a.json is no file that the benchmark wrote');
    expect(() => readRun('no', 'a.json')).toThrow('a.json is not JSON');
  });
});
