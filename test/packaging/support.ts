// What the packaging tests share: copies of the tree, the packed tarball, and commands run in them.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';

// Each of these suites compiles or installs.
jest.setTimeout(10 * 60_000);

export const repositoryRoot = resolve(__dirname, '../..');
export const addonFile = join('build', 'Release', 'fused_bear_loss.node');

const notSources = /^(node_modules|dist|build|build-.*|prebuilds|coverage|\.git|.*\.tgz)$/;

export function makeTemporaryFolder(name: string): string {
  return realpathSync(mkdtempSync(join(tmpdir(), `fused-bear-loss-${name}-`)));
}

export function removeFolder(folder: string | undefined): void {
  if (folder) rmSync(folder, { recursive: true, force: true });
}

/** Copies what a clone holds, and nothing that a build or an install wrote. */
export function copySources(target: string): void {
  for (const name of readdirSync(repositoryRoot).filter((entry) => !notSources.test(entry))) {
    cpSync(join(repositoryRoot, name), join(target, name), { recursive: true });
  }
}

export function findOnPath(command: string, path = process.env.PATH ?? ''): string | undefined {
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder, command);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {}
  }
  return undefined;
}

/** Fills `folder` with links to these commands where they are there, so that it can be a PATH that offers nothing else. */
export function linkCommands(folder: string, commands: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  for (const command of commands) {
    const found = findOnPath(command);
    if (found) symlinkSync(found, join(folder, command));
  }
}

export interface RunOptions {
  cwd: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs a command to its end. A failure throws with the end of its output, which the test report then shows. */
export function run(command: string, args: readonly string[], options: RunOptions): SpawnSyncReturns<string> {
  const result = spawnSync(command, args, { ...options, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    const output = `${result.stdout}\n${result.stderr}`.slice(-6000);
    throw new Error(`${command} ${args.join(' ')} ended with ${result.status ?? result.signal}:\n${output}`);
  }
  return result;
}

/** Packs the folder of a package as it lies there; returns the path of the tarball. */
function pack(packageFolder: string, target: string): string {
  const args = ['pack', packageFolder, '--ignore-scripts', '--json', '--pack-destination', target];
  const report = JSON.parse(run('npm', args, { cwd: target }).stdout) as { filename: string }[];
  return join(target, report[0]?.filename ?? '');
}

export function packRepository(target: string): string {
  run('node', [join('scripts', 'copy-headers.cjs')], { cwd: repositoryRoot });
  return pack(repositoryRoot, target);
}

/**
 * Installs the packed package into an empty application. No registry is asked: the package depends on nothing. The npm
 * cache is the application's own: what a machine's cache knows of the optional peers can fail the install (ERESOLVE).
 * Returns the installed package's folder.
 */
export function installPackage(application: string, env = process.env): string {
  writeFileSync(join(application, 'package.json'), '{ "name": "application", "private": true }\n');
  const settings = [
    '--offline',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--cache',
    join(application, '.npm-cache'),
  ];
  const { stdout, stderr } = run('npm', ['install', ...settings, packRepository(application)], {
    cwd: application,
    env,
  });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^added 1 package in/m);
  return join(application, 'node_modules', 'fused-bear-loss');
}

export interface NativeSources {
  core: string[];
  threads: string[];
  cpu: string[];
  cudaStub: string[];
  cuda: { kernels: string[]; kernelUnit: string; host: string[] };
  binding: string[];
  fastBinding: string[];
  smallCpu: string[];
  benchmark: string[];
  deviceCheck: { sources: string[]; kernels: string[]; smallCases: string[] };
  rowKernel: { sources: string[]; instructionSets: Record<string, string[]> };
  wasm: { sources: string[]; shared: string[]; mostBytes: number };
}

export function readNativeSources(): NativeSources {
  return JSON.parse(readFileSync(join(repositoryRoot, 'native', 'sources.json'), 'utf8'));
}

/** Files below a folder, as paths relative to it. */
export function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
}

/** Where Node's own headers lie beside this node, as Debian's packages and nvm put them; undefined where they do not. */
export function nodeHeadersPrefix(): string | undefined {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}
