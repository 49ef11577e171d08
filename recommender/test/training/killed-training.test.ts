// Training that is killed, by a signal that nothing can catch, at moments that nobody chose.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { outputOf, repositoryRoot, runProgram } from '../../../test/standalone/run-program';
import { readSafetensors } from '../../src/training/safetensors';

// On a machine that stands still for a moment, a program may be done before it is killed.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-killed-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Starts the command line. */
function startCommand(...args: string[]) {
  const main = join(repositoryRoot, 'recommender/bin/fused-bear-recommender.js');
  return spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts a program and kills it so long after it has said `line`; false where it ended before. */
async function killAfter(program: string, argument: string, line: string, milliseconds: number): Promise<boolean> {
  const script = join(__dirname, '../programs', `${program}.cjs`);
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
  const expected = outputOf(
    runProgram('../../../recommender/test/programs/train', { programArguments: [join(folder, 'whole')] }),
  );
  const run = join(folder, 'killed');
  expect(await killAfter('train', run, 'epoch 2', 3)).toBe(true);
  expect(await killAfter('train', run, 'epoch 5', 17)).toBe(true);
  const resumed = runProgram('../../../recommender/test/programs/train', { programArguments: [run] });
  expect(outputOf(resumed)).toBe(expected);
  // It did go on, and not begin again.
  expect(resumed.stdout).not.toMatch(/^epoch [1-5]$/m);
  expect(JSON.parse(expected).figures).toHaveLength(8);
});

it('ends at once when it is interrupted, and leaves nothing of a demo behind', async () => {
  const child = startCommand('demo', '--smoke');
  const ended = once(child, 'close');
  for await (const said of createInterface(child.stdout)) if (said.startsWith('MSL: epoch 1')) break;
  expect(readdirSync(folder)).toHaveLength(1);
  child.stdout.resume();
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
  expect(readdirSync(folder)).toEqual([]);
});

it('ends quietly when nobody reads its output any more', async () => {
  const child = startCommand('demo', '--smoke');
  let complaint = '';
  child.stderr.on('data', (part) => {
    complaint += part;
  });
  const ended = once(child, 'close');
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await ended).toEqual([128 + constants.signals.SIGPIPE, null]);
  expect(complaint).toBe('');
});
