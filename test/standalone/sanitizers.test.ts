// Memory errors, undefined behaviour and races of the addon, found by builds with sanitizers. These take a while to make,
// so they are looked at where `npm run build:asan` and `npm run build:tsan` have made them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { outputOf, repositoryRoot, runProgram } from './run-program';

/** Where the compiler keeps a sanitizer's runtime, which has to be there before node starts; undefined: not here. */
function findLibrary(name: string): string | undefined {
  const { status, stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' });
  return status === 0 && isAbsolute(stdout.trim()) ? stdout.trim() : undefined;
}

interface Sanitizer {
  build: string;
  command: string;
  libraries: string[];
  env: Record<string, string>;
}

describe.each([
  {
    build: 'build-asan',
    command: 'npm run build:asan',
    libraries: ['libasan.so', 'libubsan.so'],
    // V8 and Node do not free everything at exit. Leaks of the addon are the memory test's.
    env: { ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1' },
  },
  {
    build: 'build-tsan',
    command: 'npm run build:tsan',
    libraries: ['libtsan.so'],
    env: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1:halt_on_error=1' },
  },
] as Sanitizer[])('the addon of $build', ({ build, command, libraries, env }) => {
  const folder = join(repositoryRoot, build);
  const found = libraries.map(findLibrary);
  const isBuilt = existsSync(join(folder, 'build', 'Release', 'fused_bear_loss.node'));
  const test = isBuilt && !found.includes(undefined) ? it : it.skip;
  const why = isBuilt ? '' : ` (skipped: not built; ${command})`;
  const program = (name: string) =>
    runProgram(name, { env: { ...env, FUSED_BEAR_LOSS_PREBUILD: folder, LD_PRELOAD: found.join(' ') } });

  test(`has nothing to report on a little of everything${why}`, () => {
    expect(outputOf(program('workload'))).toBe('clean');
  });

  test(`has nothing to report on a vocabulary in parts, each in a worker thread${why}`, () => {
    expect(outputOf(program('../../../examples/vocabulary-parallel/worker-threads.mjs'))).toMatch(/^{"losses":/);
  });

  // Another thread that writes to the arguments is a race by intent.
  const testMemory = build === 'build-asan' ? test : it.skip;
  testMemory(`has nothing to report on arguments that another thread writes to${why}`, () => {
    expect(outputOf(program('../../faults/changing-memory/run'))).toMatch(/^{.*"calls"/);
  });

  // A program that writes to what it lent races by intent as well.
  testMemory(`has nothing to report on memory that is taken away${why}`, () => {
    expect(outputOf(program('taken-memory'))).toMatch(/^{"calls":/);
  });

  test(`has nothing to report on workers that are terminated${why}`, () => {
    expect(outputOf(program('terminate-workers'))).toBe('alive');
  });
});
