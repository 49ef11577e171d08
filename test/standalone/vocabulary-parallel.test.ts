/** The examples of a split vocabulary: every part gets the same loss, and the gradients are those of the whole rows. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const folder = join(__dirname, '..', '..', 'examples', 'vocabulary-parallel');

it.each(['worker-threads.mjs', 'processes.mjs'])('examples/vocabulary-parallel/%s', (name) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(folder, name)], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { losses, whole, difference } = JSON.parse(stdout) as { losses: number[]; whole: number; difference: number };
  expect(losses).toHaveLength(4);
  for (const loss of losses) expect(loss).toBe(losses[0]);
  expect(Math.abs((losses[0] as number) - whole)).toBeLessThan(1e-5 * Math.max(1, whole));
  expect(difference).toBeLessThan(1e-6);
});
