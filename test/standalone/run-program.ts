// Runs a program of this folder in a process of its own: what may abort a process must not take the test runner along.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

jest.setTimeout(15 * 60_000);

export const repositoryRoot = resolve(__dirname, '../..');

export interface ProgramOptions {
  nodeArguments?: string[];
  programArguments?: string[];
  env?: Record<string, string>;
}

/** `name` without `.cjs`. The programs use the built package (dist/ and the addon), by its own name. */
export function runProgram(name: string, options: ProgramOptions = {}): SpawnSyncReturns<string> {
  const { nodeArguments = [], programArguments = [], env = {} } = options;
  const program = join(__dirname, 'programs', name.endsWith('.mjs') ? name : `${name}.cjs`);
  return spawnSync(process.execPath, [...nodeArguments, program, ...programArguments], {
    cwd: repositoryRoot,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 14 * 60_000,
  });
}

/** The last line of the output, after a clean exit. */
export function outputOf(result: SpawnSyncReturns<string>): string {
  if (result.status !== 0) {
    throw new Error(`ended with ${result.status ?? result.signal}:\n${result.stdout}\n${result.stderr}`.slice(-4000));
  }
  return result.stdout.trim().split('\n').at(-1) ?? '';
}
