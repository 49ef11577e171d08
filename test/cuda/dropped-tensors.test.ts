/** What nobody disposes of comes back as well, and processes and workers end cleanly with tensors alive. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

jest.setTimeout(120_000);

it('tensors, results and streams that were dropped are given back', () => {
  const program = join(__dirname, 'programs', 'dropped-tensors.cjs');
  // The device under test is in the environment.
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', program], {
    encoding: 'utf8',
    env: { ...process.env },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { during, ...after } = JSON.parse(stdout);
  expect(during[0]).toBeGreaterThan(0);
  expect(after).toEqual({ exits: [0, 0, 0], allocatedBlocks: 0, pinnedBlocks: 0 });
});
