// Any value in any position of every public call, in a process of its own: 20,000 cases, other ones for each commit. The
// seed is printed, and replays them (docs/robustness.md).
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '..', '..', '..');
const CASES = 20_000;

function seedOfCommit(): number {
  try {
    return Number.parseInt(execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).slice(0, 7), 16);
  } catch {
    return Date.now() & 0x7fffffff; // not a clone
  }
}

it('any value in any position ends in a result, a documented code, or what the caller threw', () => {
  const seed = process.env.FUSED_BEAR_LOSS_FUZZ_SEED ?? String(seedOfCommit());
  const program = join(__dirname, 'program.ts');
  const args = [require.resolve('tsx/cli'), program, '--cases', String(CASES), '--seed', seed];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  console.info(stdout);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain(`facade: ${CASES} cases in`);
}, 1_200_000);
