// Peak memory of one call in a fresh process, beyond what was in memory before: inputs, and the arrays of the gradients.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OpenContender, SuiteOptions } from './suite';

/** Of this process, in bytes. Linux only. */
function readStatus(field: 'VmHWM' | 'VmRSS'): number {
  const [, kilobytes] =
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** What /proc/self/clear_refs takes for: forget the peak. */
const FORGET_PEAK = '5';

export async function peakOf({ run, peakBytes }: OpenContender): Promise<number> {
  if (peakBytes !== undefined) return peakBytes();
  globalThis.gc?.();
  writeFileSync('/proc/self/clear_refs', FORGET_PEAK);
  const before = readStatus('VmRSS');
  await run();
  return readStatus('VmHWM') - before;
}

const program = join(__dirname, 'measure-memory.ts');

/** Undefined where the system does not say what the peak of a process is. */
export async function measurePeakMemory(
  suite: string,
  { size, threads }: SuiteOptions,
  caseName: string,
  contender: string,
): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const request = JSON.stringify({ suite, options: { size, threads }, caseName, contender });
  const args = ['--expose-gc', '--import', 'tsx', program, request];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: join(__dirname, '..', '..') });
  return (JSON.parse(stdout) as { bytes: number }).bytes;
}
