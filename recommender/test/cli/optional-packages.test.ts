// The command line where only what the package depends on is installed.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const packageFolder = resolve(__dirname, '../..');
let application: string;
let command: string;

beforeAll(() => {
  application = mkdtempSync(join(tmpdir(), 'fused-bear-recommender-'));
  const installed = join(application, 'node_modules', 'fused-bear-recommender');
  for (const name of ['package.json', 'bin', 'dist']) {
    cpSync(join(packageFolder, name), join(installed, name), { recursive: true });
  }
  for (const name of ['commander', 'fused-bear-loss']) {
    const link = join(application, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(resolve(packageFolder, '../node_modules', name), link);
  }
  command = join(installed, 'bin', 'fused-bear-recommender.js');
});

afterAll(() => rmSync(application, { recursive: true }));

it('refuses to train in one line that says what to install', () => {
  const { status, stdout, stderr } = spawnSync(command, ['train', '--data', 'nowhere', '--out', 'run'], {
    cwd: application,
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^fused-bear-recommender: train needs packages that are not installed: npm install .+\n$/);
  expect(stderr).toContain('"llama3-tokenizer-js@^');
  expect(existsSync(join(application, 'run'))).toBe(false);
});
