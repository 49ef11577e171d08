// Training that is killed, by a signal that nothing can catch, at moments that nobody chose.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { readSafetensors } from '../../lib/recommender/safetensors';
import { outputOf, repositoryRoot, runProgram } from './run-program';

// On a machine that stands still for a moment, a program may be done before it is killed.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-killed-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Starts a program and kills it so long after it has said `line`; false where it ended before. */
async function killAfter(program: string, argument: string, line: string, milliseconds: number): Promise<boolean> {
  const script = join(__dirname, 'programs', `${program}.cjs`);
  const child = spawn(process.execPath, [script, argument], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
  for await (const said of createInterface(child.stdout)) if (said === line) break;
  await pause(milliseconds);
  child.kill('SIGKILL');
  return (await ended) === 'SIGKILL';
}

it('leaves a whole checkpoint, whenever the kill strikes', async () => {
  const file = join(folder, 'checkpoint.safetensors');
  const versions: number[] = [];
  for (const milliseconds of [1, 9, 14, 20, 26, 33, 41, 57]) {
    expect(await killAfter('write-checkpoints', file, 'begun', milliseconds)).toBe(true);
    const { tensors, state } = readSafetensors(file);
    const { version } = JSON.parse(state);
    expect(tensors.weights?.data.every((weight) => weight === version)).toBe(true);
    versions.push(version);
  }
  // Some were killed long after the first checkpoint: kills struck while an old one was being replaced.
  expect(Math.max(...versions)).toBeGreaterThan(1);
});

it('goes on to the numbers of a run that nobody killed', async () => {
  const expected = outputOf(runProgram('train', { programArguments: [join(folder, 'whole')] }));
  const run = join(folder, 'killed');
  expect(await killAfter('train', run, 'epoch 2', 3)).toBe(true);
  expect(await killAfter('train', run, 'epoch 5', 17)).toBe(true);
  const resumed = runProgram('train', { programArguments: [run] });
  expect(outputOf(resumed)).toBe(expected);
  // It did go on, and not begin again.
  expect(resumed.stdout).not.toMatch(/^epoch [1-5]$/m);
  expect(JSON.parse(expected).figures).toHaveLength(8);
});
