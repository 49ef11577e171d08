// What the numbers were measured on: without it they mean nothing.
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import type { KernelInfo } from './native';

/** What computes; the family of the processor is known where the benchmark's addon computes. */
type Kernel = Omit<KernelInfo, 'family'> & Partial<KernelInfo>;

export interface Machine extends Kernel {
  processor: string;
  threads: number;
  caches: { level: number; type: string; bytes: number }[];
  memoryBytes: number;
  system: string;
  node: string;
  loadAverageBefore: number[];
  loadAverageAfter: number[];
}

const cacheFolder = '/sys/devices/system/cpu/cpu0/cache';

// Linux only; elsewhere an empty list. Sizes there end in K.
function readCaches(): Machine['caches'] {
  try {
    return readdirSync(cacheFolder)
      .filter((name) => name.startsWith('index'))
      .map((name) => {
        const read = (file: string) => readFileSync(`${cacheFolder}/${name}/${file}`, 'utf8').trim();
        return { level: Number(read('level')), type: read('type'), bytes: Number.parseInt(read('size'), 10) * 1024 };
      });
  } catch {
    return [];
  }
}

export function describeMachine({ instructionSet, tuning, family }: Kernel): Machine {
  return {
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    threads: os.availableParallelism(),
    caches: readCaches(),
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    instructionSet,
    tuning,
    family,
    loadAverageBefore: os.loadavg(),
    loadAverageAfter: [],
  };
}

/** 32 MiB where the system does not tell. */
export function lastLevelCacheBytes({ caches }: Machine): number {
  return Math.max(0, ...caches.map(({ bytes }) => bytes)) || 32 * 2 ** 20;
}
