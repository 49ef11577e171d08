// Bun, where it is on the PATH or where BUN says: `npm install bun`, in a folder of its own, brings it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { outputOf, repositoryRoot } from './run-program';

const bun = process.env.BUN ?? 'bun';
const { status, stdout } = spawnSync(bun, ['--version'], { encoding: 'utf8' });
const test = status === 0 ? it : it.skip;
const note = status === 0 ? `Bun ${stdout.trim()}` : 'skipped: no Bun on the PATH, nor in BUN';

describe(`under Bun (${note})`, () => {
  const run = (program: string, ...args: string[]) =>
    spawnSync(bun, [join(__dirname, 'programs', program), ...args], {
      cwd: repositoryRoot,
      encoding: 'utf8',
      timeout: 4 * 60_000,
    });

  test('workers that are terminated while their calls run and wait leave the process alive', () => {
    expect(outputOf(run('terminate-workers.cjs'))).toBe('alive');
  });

  test('a process stays until its calls are done', () => {
    expect(outputOf(run('exit.cjs', 'end'))).toBe('finished 6');
  });
});
