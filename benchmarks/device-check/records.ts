// What the programs of the check report: one JSON object a line. The C++ program, peers.py and node-checks.ts write these.
import { readFileSync } from 'node:fs';
import type { LossName, Pass } from '../cases';
import type { BenchDType } from '../native';

export interface DeviceRecord {
  kind: 'device';
  name: string;
  computeCapability: string;
  driverCuda: string;
  runtimeCuda: string;
  multiprocessors: number;
  memoryBytes: number;
  secondLevelCacheBytes: number;
  sharedBytesPerBlock: number;
  sharedBytesPerMultiprocessor: number;
  clockMHz: number;
  memoryClockMHz: number;
  memoryBusBits: number;
}

export interface CheckRecord {
  kind: 'check';
  name: string;
  dtype?: string;
  agreed: number;
  wrong: number;
  /** What this device or machine cannot run. */
  skipped: number;
  /** What there was no time for. */
  notReached?: number;
  /** The first difference; empty: none. */
  first: string;
}

export interface CeilingRecord {
  kind: 'ceiling';
  name: 'copy' | 'read' | 'copy by torch';
  bytes: number;
  milliseconds: number;
  gigabytesPerSecond: number;
}

export interface TimeRecord {
  kind: 'time';
  contender: string;
  dtype: BenchDType;
  rows: number;
  vocabSize: number;
  /** Of a peer: the one of ours that it computes, or stands beside. */
  loss: LossName;
  pass: Pass;
  /** Of one call, the median. */
  milliseconds: number;
  /** Ours: the three kernels apart. */
  beginMilliseconds?: number;
  rowsMilliseconds?: number;
  endMilliseconds?: number;
  /** The loss that came out; null: not finite. */
  value: number | null;
  /** Peers: how far `value` may be from ours, relatively. */
  tolerance?: number;
  /** What a contender leaves out: 'less work: no threshold'. */
  note?: string;
}

export interface SanitizerRecord {
  kind: 'sanitizer';
  tool: string;
  summary: string;
}

export interface ProfileRecord {
  kind: 'profile';
  kernel: string;
  grid: string;
  /** Metrics by the profiler's own names, with units. */
  metrics: Record<string, string>;
}

export interface NodeRecord {
  kind: 'node';
  name: string;
  value: number;
  unit: string;
}

/** `nvidia-smi` while a step ran: medians. */
export interface ClocksRecord {
  kind: 'clocks';
  multiprocessorMHz: number;
  memoryMHz: number;
  watts: number;
  samples: number;
}

export interface SkippedRecord {
  kind: 'skipped';
  name: string;
  reason: string;
}

export interface ErrorRecord {
  kind: 'error';
  message: string;
}

export type CheckKitRecord =
  | DeviceRecord
  | CheckRecord
  | CeilingRecord
  | TimeRecord
  | SanitizerRecord
  | ProfileRecord
  | NodeRecord
  | ClocksRecord
  | SkippedRecord
  | ErrorRecord;

/** The records among the lines of an output; a last line that was cut off is none. */
export function parseRecords(output: string): CheckKitRecord[] {
  return output.split('\n').flatMap((line) => {
    if (!line.startsWith('{"kind":')) return [];
    try {
      return [JSON.parse(line) as CheckKitRecord];
    } catch {
      return [];
    }
  });
}

export function ofKind<K extends CheckKitRecord['kind']>(records: readonly CheckKitRecord[], kind: K) {
  return records.filter((record) => record.kind === kind) as Extract<CheckKitRecord, { kind: K }>[];
}

/** What `nvidia-smi --query-gpu=clocks.sm,clocks.mem,power.draw` printed again and again. */
export function parseClocks(output: string): ClocksRecord[] {
  const samples = output
    .split('\n')
    .map((line) => line.split(',').map(Number))
    .filter((numbers) => numbers.length === 3 && numbers.every(Number.isFinite)) as [number, number, number][];
  if (samples.length === 0) return [];
  const median = (column: 0 | 1 | 2) =>
    samples.map((sample) => sample[column]).sort((a, b) => a - b)[samples.length >> 1] as number;
  const [multiprocessorMHz, memoryMHz, watts] = [median(0), median(1), median(2)];
  return [{ kind: 'clocks', multiprocessorMHz, memoryMHz, watts, samples: samples.length }];
}

/** The commit of the checkout; of an archive, the one that it was packed from. */
export function readCommitFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
