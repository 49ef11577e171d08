// Two writers of one folder, in processes of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { outputOf, repositoryRoot, runProgram } from '../../../test/standalone/run-program';

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-lock-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function start(program: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(__dirname, '../programs', `${program}.cjs`), ...args], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

/** Starts a program and waits for a line of its output. */
async function startUntil(line: string, program: string, ...args: string[]) {
  const child = start(program, ...args);
  for await (const said of createInterface(child.stdout)) if (said === line) return child;
  throw new Error(`${program} ended before it said ${line}`);
}

function locks(): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.lock'));
}

it('a second training of a run is refused by the number of the first, and takes over when that is dead', async () => {
  const first = await startUntil('epoch 2', 'train', folder, '3');
  const since = /since \d{4}-\d\d-\d\dT[\d:.]+Z/;
  for (let attempt = 0; attempt < 2; attempt++) {
    const second = runProgram('../../../recommender/test/programs/train', { programArguments: [folder] });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`${folder}: is in use by process ${first.pid} on `);
    expect(second.stderr).toMatch(since);
  }
  const ended = once(first, 'close');
  first.kill('SIGKILL');
  await ended;
  expect(locks()).toHaveLength(1);
  const third = runProgram('../../../recommender/test/programs/train', { programArguments: [folder] });
  expect(JSON.parse(outputOf(third)).figures).toHaveLength(8);
  expect(third.stdout).not.toMatch(/^epoch [12]$/m);
  expect(locks()).toEqual([]);
});

it('several that find the lock of a dead process never hold it together', async () => {
  for (let round = 0; round < 3; round++) {
    const dead = await startUntil('held', 'hold-lock', folder, 'wait');
    const ended = once(dead, 'close');
    dead.kill('SIGKILL');
    await ended;
    rmSync(join(folder, 'inside'));
    const results = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = start('hold-lock', folder, '1', '60');
        let text = '';
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (part) => {
            text += part;
          });
        }
        const [code] = await once(child, 'close');
        return { code, text };
      }),
    );
    expect(results.filter(({ code }) => code !== 0)).toEqual([]);
    const held = results.reduce((sum, { text }) => sum + Number(text.trim().split('\n').at(-1)), 0);
    expect(held).toBeGreaterThan(0);
    expect(locks()).toEqual([]);
  }
});

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends the process and removes the lock', async (signal) => {
  const child = await startUntil('held', 'hold-lock', folder, 'wait');
  expect(locks()).toHaveLength(1);
  const ended = once(child, 'close');
  child.kill(signal);
  expect(await ended).toEqual([null, signal]);
  expect(locks()).toEqual([]);
});

it.each([
  ['exit', 3],
  ['throw', 1],
])('a process that ends by %s removes the lock', (ending, status) => {
  expect(
    runProgram('../../../recommender/test/programs/hold-lock', { programArguments: [folder, ending] }).status,
  ).toBe(status);
  expect(locks()).toEqual([]);
});
