/** The emulated device of the tests' addon, which `npm run build:emulated` builds. Only there the addon exports it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What the detectors found. */
export type ReportKind =
  | 'deadlock'
  | 'no-progress'
  | 'divergent-barrier'
  | 'barrier-after-exit'
  | 'divergent-collective'
  | 'collective-exited-lane'
  | 'collective-mask'
  | 'shuffle-inactive-lane'
  | 'global-out-of-bounds'
  | 'shared-out-of-bounds'
  | 'unregistered-address'
  | 'foreign-stack'
  | 'uninitialised-shared'
  | 'uninitialised-global'
  | 'shared-race'
  | 'global-race'
  | 'misaligned'
  | 'shared-after-exit'
  | 'runtime-misuse'
  | 'stream-race';

export interface Report {
  kind: ReportKind;
  text: string;
}

export interface EmulatorSettings {
  /** 0, the default: round robin, and streams work at once. Else threads, blocks and streams take turns at random. */
  seed?: number;
  /** Chance in 1000 that a thread stops at a memory access for others to run. Default 5; random orders only. */
  preemptionPerMille?: number;
  /** Looks for races and for reads of what nobody wrote. Default true. Bounds and alignment are always checked. */
  detect?: boolean;
  /** Counts reads and writes of device memory. Default false. */
  countTraffic?: boolean;
  /** __expf and its like err by up to so many units in the last place. Default 0. */
  approximationUlps?: number;
  /** A thread that makes so many accesses in a row is taken for one that waits for ever. Default 200 million. */
  progressLimit?: number;
}

/** Defaults: those of an H100 with 16 GiB. */
export interface EmulatedDevice {
  name?: string;
  /** Compute capability. */
  major?: number;
  minor?: number;
  multiprocessors?: number;
  totalBytes?: number;
  /** Largest dynamic shared memory of a block. */
  sharedBytesPerBlock?: number;
  sharedBytesPerMultiprocessor?: number;
  l2Bytes?: number;
  /** Kernels may not opt in for more than 48 KiB, whatever the properties say. Default false. */
  refusesLargeShared?: boolean;
}

/** Bytes that kernels' instructions asked for, not what reached the memory. Counts are for each two bytes, up to 255. */
export interface Traffic {
  bytesRead: number;
  bytesWritten: number;
  fewestReads: number;
  mostReads: number;
  fewestWrites: number;
  mostWrites: number;
}

export interface LiveCounts {
  deviceAllocations: number;
  deviceBytes: number;
  pinnedAllocations: number;
  pinnedBytes: number;
  streams: number;
  events: number;
}

export interface Emulator {
  configure(changes: EmulatorSettings): void;
  /** What was found since the last reset, up to 8 of each kind. */
  reports(): Report[];
  clearReports(): void;
  reportKinds(): ReportKind[];
  /** The kernels that are wrong on purpose, and what they must be reported as. */
  plantedFaults(): { name: string; kind: ReportKind }[];
  /** Runs one of them, or its correct twin: a cudaError_t. */
  runPlantedFault(name: string, faulty: boolean): number;
  /** Host code around a device, right and wrong. */
  hostCases(): string[];
  /** Runs it: a cudaError_t; where it computes something, whether that was right: 0 or 1. */
  runHostCase(name: string): number;
  /**
   * Makes the `nth` call from now (1: the next) of a function of the runtime return `error`, a cudaError_t, without effect.
   * 'cudaLaunchKernelEx': the launch is refused. 'kernel': it is taken, the kernel fails, and the device is lost until `reset`.
   */
  failCall(name: string, nth: number, error: number): void;
  /** The next allocation of exactly so many bytes by the addon's C++ code fails. */
  failHostAllocation(bytes: number): void;
  /** Default 'working'. `version`: of CUDA, as cudaDriverGetVersion gives it; default 12080 where it is too old. */
  setDriver(state: 'working' | 'missing' | 'too-old', version?: number): void;
  /** Replaces all devices; their memory, streams and events are gone. None: no device is found. Default: two. */
  setDevices(devices: EmulatedDevice[]): void;
  /** Ends injected faults and lost devices, forgets reports, counts and settings. Memory, streams and devices stay. */
  reset(): void;
  liveCounts(): LiveCounts;
  /** How often each function of the runtime was called since the last reset. */
  calls(): Record<string, number>;
  /** Of a range of device memory since the last `clearTraffic`; undefined where it is no device memory. */
  traffic(pointer: bigint, bytes: number): Traffic | undefined;
  clearTraffic(): void;
  /** Device memory that the package does not own. */
  allocate(bytes: number, device: number): bigint;
  free(pointer: bigint): void;
  /** A stream of device 0 that the package does not own. */
  createStream(): bigint;
  destroyStream(stream: bigint): void;
  write(pointer: bigint, bytes: Uint8Array): void;
  read(pointer: bigint, bytes: Uint8Array): void;
  /** The same by somebody whom nothing orders, just before the `nth` kernel from now (1: the next) runs. */
  writeBeforeKernel(nth: number, pointer: bigint, bytes: Uint8Array): void;
}

const packageRoot = join(__dirname, '..', '..');

/** FUSED_BEAR_LOSS_PREBUILD for the package to load the tests' addon. */
export const emulatedAddonFolder = join(packageRoot, 'build', 'emulated');

const addonFile = join(emulatedAddonFolder, 'build', 'Release', 'fused_bear_loss.node');

/** Null where the emulated addon has been built, else what to do. */
export function whyNotEmulated(): string | null {
  return existsSync(addonFile) ? null : 'the emulated addon has not been built: npm run build:emulated';
}

/** The emulator behind the addon that the package loads with FUSED_BEAR_LOSS_PREBUILD=build/emulated. */
export function emulator(): Emulator {
  return (require(addonFile) as { emulator: Emulator }).emulator;
}
