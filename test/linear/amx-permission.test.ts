/** A process that the operating system permits no tiles computes with AVX-512, and says so. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capabilities } from '../../lib/index';
import type { ProductProbeAnswer } from '../support/product-probe';
import { runProbe, runProbeWith } from '../support/run-probe';

/** Refuses arch_prctl, and no other call of syscall(), which has at most six arguments. */
const REFUSAL = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
long syscall(long number, long a, long b, long c, long d, long e, long f) {
  if (number == SYS_arch_prctl) {
    errno = EPERM;
    return -1;
  }
  return ((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(number, a, b, c, d, e, f);
}
`;

const has = (command: string) => spawnSync(command, ['--version']).status === 0;
const missing =
  capabilities().instructionSet !== 'amx'
    ? `this process uses ${capabilities().instructionSet}`
    : has('cc')
      ? undefined
      : 'there is no C compiler';
const test = missing === undefined ? it : it.skip;

test(`without permission for tiles AVX-512 computes${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-amx-'));
  try {
    const [source, library] = [join(folder, 'refusal.c'), join(folder, 'refusal.so')];
    writeFileSync(source, REFUSAL);
    const compiled = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], { encoding: 'utf8' });
    expect(compiled).toMatchObject({ status: 0, stderr: '' });
    const answer = (output: Buffer): ProductProbeAnswer => JSON.parse(output.toString());
    const refused = answer(runProbeWith('product-probe.ts', { LD_PRELOAD: library }));
    expect(refused.instructionSet).toBe('avx512');
    expect(refused).toEqual(answer(runProbe('product-probe.ts', 'avx512')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
