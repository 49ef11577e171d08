// The suites of `npm run bench` as their users start them, in small. No time is judged.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SuiteResults } from '../../benchmarks/suites/results';

const root = join(__dirname, '..', '..');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-suites-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bench(...args: string[]) {
  const command = ['--import', 'tsx', join(root, 'benchmarks', 'bench.ts'), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe.each([
  [
    'linear',
    ['BEAR', 'cross-entropy', 'BEAR, workspace 256 MiB', 'cross-entropy, tfjs-wasm', 'cross-entropy, jax-js'],
    4,
  ],
  ['allowed', ['lists, sparse gradient of weight', 'lists, dense gradient of weight', 'all logits, bitmask'], 1],
  ['parallel', ['whole rows, 1 thread', 'whole rows, 2 threads', '2 parts, a worker of 1 thread each'], 0],
  ['beam', ['B = 1', 'B = 10', 'B = 64', 'B = 256', 'B = 1024'], 1],
  ['frameworks', ['fusedLinearBearLoss into given arrays', 'tfjs wasm, bearLoss of a product'], 0],
])('bench --suite %s --quick', (suite, contenders, plots) => {
  const file = () => join(folder, `${suite}.json`);
  let results: SuiteResults;
  let stdout: string;

  beforeAll(() => {
    const run = bench('--suite', suite, '--quick', '--threads', '2', '--json', file(), '--plots', join(folder, suite));
    expect(run).toMatchObject({ status: 0 });
    stdout = run.stdout;
    results = JSON.parse(readFileSync(file(), 'utf8'));
  }, 300_000);

  it('times every contender', () => {
    const [first] = results.cases;
    expect(first?.measurements.map(({ name }) => name)).toEqual(expect.arrayContaining(contenders));
    for (const { measurements } of results.cases) {
      for (const { samples, percentile10 } of measurements) {
        expect(samples.length).toBeGreaterThan(0);
        expect(percentile10).toBeGreaterThan(0);
      }
    }
  });

  it('says for each peer that it is there, or how to install it', () => {
    expect(results.peers.map(({ name }) => name)).toEqual(['onnxruntime', 'PyTorch', 'tfjs', 'jax-js']);
    for (const { name, version } of results.peers) {
      expect(stdout).toContain(version === undefined ? `${name}: not installed (` : `${name}: ${version}`);
    }
  });

  it('has the processor and its tables in what it prints', () => {
    expect(stdout).toContain(results.machine.processor);
    for (const { name } of results.cases) expect(stdout).toContain(name);
    expect(stdout).toContain('Quick run');
  });

  it('draws the series', () => {
    const files = readdirSync(join(folder, suite));
    expect(files).toHaveLength(plots);
    for (const each of files) expect(readFileSync(join(folder, suite, each), 'utf8')).toMatch(/^<svg[\s\S]*<\/svg>$/);
  });

  it('is compared with itself', () => {
    const { status, stdout: table } = bench('compare', file(), file());
    expect(status).toBe(0);
    expect(table).toContain('1.000');
  });
});

describe('peak memory', () => {
  (process.platform === 'linux' ? it : it.skip)('is that of the workspace, and of a fresh process', () => {
    const results: SuiteResults = JSON.parse(readFileSync(join(folder, 'linear.json'), 'utf8'));
    const [first] = results.cases;
    const measured = first?.memory.filter(({ name }) => name.startsWith('BEAR')) ?? [];
    expect(measured.length).toBeGreaterThanOrEqual(2);
    // 16 x 2000 logits and the code that computes them; not what Node itself takes.
    for (const { bytes } of measured) expect(bytes).toBeLessThan(32e6);
  });

  it('is left out where it is not wanted', () => {
    const file = join(folder, 'bare.json');
    const filter = ['--filter', '16 x 2000 x 16, 1 thread$'];
    const args = ['--suite', 'linear', '--quick', '--threads', '1', '--no-peers', '--no-memory', '--json', file];
    expect(bench(...args, ...filter)).toMatchObject({ status: 0 });
    const { cases, peers }: SuiteResults = JSON.parse(readFileSync(file, 'utf8'));
    expect(peers).toEqual([]);
    expect(cases).toHaveLength(1);
    expect(cases[0]?.memory).toEqual([]);
  });
});

it('bench compare refuses files of two suites in one line', () => {
  const files = ['linear', 'beam'].map((suite) => {
    const file = join(folder, `empty-${suite}.json`);
    writeFileSync(file, JSON.stringify({ suite, machine: {}, cases: [] }));
    return file;
  });
  const { status, stderr } = bench('compare', ...files);
  expect(status).toBe(1);
  expect(stderr.trim()).toBe('two suites cannot be compared: linear before, beam after');
});
