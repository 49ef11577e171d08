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

// No program here ends by itself before it is killed, however long the machine stands still: each goes on for ever, stands
// still after a later epoch, or has minutes to go.

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-killed-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Starts the command line. */
function startCommand(...args: string[]) {
  const main = join(repositoryRoot, 'recommender/bin/fused-bear-recommender.js');
  return spawn(process.execPath, [main, ...args], {
    cwd: tmpdir(),
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts a program and kills it so long after it has said `line`; false where it ended before. */
async function killAfter(program: string, args: string[], line: string, milliseconds: number): Promise<boolean> {
  const script = join(__dirname, '../programs', `${program}.cjs`);
  const child = spawn(process.execPath, [script, ...args], {
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
  for (const [milliseconds, written] of [
    [1, 1],
    [9, 1],
    [14, 1],
    [20, 2],
    [26, 2],
    [33, 3],
    [41, 3],
    [57, 3],
  ] as const) {
    expect(await killAfter('write-checkpoints', [file], `version ${written}`, milliseconds)).toBe(true);
    const { tensors, state } = readSafetensors(file);
    const { version } = JSON.parse(state);
    expect(tensors.weights?.data.every((weight) => weight === version)).toBe(true);
    expect(version).toBeGreaterThanOrEqual(written);
  }
});

it('goes on to the numbers of a run that nobody killed', async () => {
  const expected = outputOf(
    runProgram('../../../recommender/test/programs/train', { programArguments: [join(folder, 'whole')] }),
  );
  const run = join(folder, 'killed');
  expect(await killAfter('train', [run, '3'], 'epoch 2', 3)).toBe(true);
  expect(await killAfter('train', [run, '6'], 'epoch 5', 17)).toBe(true);
  const resumed = runProgram('../../../recommender/test/programs/train', { programArguments: [run] });
  expect(outputOf(resumed)).toBe(expected);
  // It did go on, and not begin again.
  expect(resumed.stdout).not.toMatch(/^epoch [1-5]$/m);
  expect(JSON.parse(expected).figures).toHaveLength(8);
});

it('ends at once when it is interrupted, and leaves nothing of a demo behind', async () => {
  const child = startCommand('demo');
  const ended = once(child, 'close');
  for await (const said of createInterface(child.stdout)) if (said.startsWith('1/6 msl, seed 1: epoch 1')) break;
  expect(readdirSync(folder)).toHaveLength(1);
  child.stdout.resume();
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
  expect(readdirSync(folder)).toEqual([]);
});

it('ends quietly when nobody reads its output any more', async () => {
  const child = startCommand('demo');
  let complaint = '';
  child.stderr.on('data', (part) => {
    complaint += part;
  });
  const ended = once(child, 'close');
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await ended).toEqual([128 + constants.signals.SIGPIPE, null]);
  expect(complaint).toBe('');
});
