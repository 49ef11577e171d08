// `fused-bear-loss build`: what no install does by itself.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { builtAddonFile, loadAddon } from '../native/load-addon.js';
import { packageRoot } from '../native/package-root.js';

export interface BuildOptions {
  /** Whether to build the CUDA backend if nvcc is found. */
  cuda: boolean;
}

/** The addon's file, or what to print: at most three lines. */
export type BuildOutcome = { file: string } | { failure: string[] };

/** Builds the addon with the package's CMakeLists.txt. CMake and the compiler print to this process's output. */
export function buildAddon({ cuda }: BuildOptions): BuildOutcome {
  const root = packageRoot();
  if (root === undefined) return fail('the package is not installed here');
  if (existsSync(join(root, 'tsconfig.build.json'))) return fail(`this is a clone: run \`npm run build\` in ${root}`);
  if (process.platform === 'win32') return fail('the package cannot build its addon on Windows');
  const missing = missingTools();
  if (missing.length > 0) {
    return fail(
      `${missing.join(' and ')} not found on the PATH`,
      'A build needs CMake 3.19 or later, GCC or Clang, and make or Ninja; nvcc too for CUDA.',
      'Debian, Ubuntu: apt install cmake g++ make.  macOS: xcode-select --install; brew install cmake.',
    );
  }
  const file = builtAddonFile();
  if (file === undefined) return fail('there is no cache folder to write to: set XDG_CACHE_HOME or HOME');
  mkdirSync(dirname(file), { recursive: true });
  // Beside the file, so that the addon takes its place in one step: another process may be loading or building it.
  const folder = mkdtempSync(join(dirname(file), 'build-'));
  try {
    const release = join(folder, 'Release');
    const settings = {
      CMAKE_BUILD_TYPE: 'Release',
      CMAKE_LIBRARY_OUTPUT_DIRECTORY: release,
      CMAKE_JS_INC: join(root, 'headers'), // scripts/copy-headers.cjs puts them into the packed package
      FBL_CUDA: cuda ? 'AUTO' : 'OFF',
      FBL_WARNINGS_AS_ERRORS: 'OFF',
    };
    const definitions = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
    for (const args of [
      ['-S', root, '-B', folder, ...definitions],
      ['--build', folder, '--config', 'Release', '--parallel', String(availableParallelism())],
    ]) {
      if (!succeeds('cmake', args)) return fail('CMake stopped with the error above; no addon was made');
    }
    renameSync(join(release, basename(file)), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const found = loadAddon();
  if (found.addon === undefined) return fail(found.reason);
  return { file: found.file };
}

function fail(problem: string, ...lines: string[]): BuildOutcome {
  return { failure: [`fused-bear-loss build: ${problem}.`, ...lines] };
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'inherit' }).status === 0;
}

function missingTools(): string[] {
  const needed: [string, string[]][] = [
    ['CMake', ['cmake']],
    ['a C++ compiler', process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']],
    ['make or Ninja', ['make', 'ninja']],
  ];
  return needed.filter(([, commands]) => !commands.some(canBeRun)).map(([name]) => name);
}

function canBeRun(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}
