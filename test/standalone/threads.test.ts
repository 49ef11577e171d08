// What the addon's threads leave to others.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { outputOf, repositoryRoot, runProgram } from './run-program';

describe('files beside asynchronous losses', () => {
  it('are read on the one thread that libuv has, while losses of several workers run and wait', () => {
    const result = runProgram('libuv-left-alone', { env: { UV_THREADPOOL_SIZE: '1' } });
    expect(outputOf(result)).toMatch(/^file (fulfilled |rejected ){2}rejected$/);
  });
});

describe('a user with few threads', () => {
  const USER = 54321; // that nobody is

  /** Runs node as a user who may have so many threads. The limit does not bind root. */
  function runLimited(threads: number, ...args: string[]) {
    return spawnSync('bash', ['-c', 'ulimit -u "$0" && exec "$@"', String(threads), process.execPath, ...args], {
      cwd: repositoryRoot,
      encoding: 'utf8',
      uid: USER,
      gid: USER,
    });
  }

  function whyNot(): string | undefined {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can become another user';
    const { status } = runLimited(64, '-e', "require('fused-bear-loss').capabilities()");
    return status === 0 ? undefined : 'another user cannot read this folder';
  }

  const why = whyNot();
  const test = why === undefined ? it : it.skip;

  test.each([14, 20, 40])(`of %i leaves libuv its own${why === undefined ? '' : ` (skipped: ${why})`}`, (threads) => {
    const result = runLimited(threads, join(__dirname, 'programs', 'few-threads.cjs'));
    expect(outputOf(result)).toBe('computed and read');
  });
});
