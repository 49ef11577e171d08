// The benchmarks' own addon: memory floors, and the loss without any JavaScript around it. Never shipped.
import { existsSync } from 'node:fs';
import path from 'node:path';

export type BenchDType = 'float32' | 'bfloat16';
export type Logits = Float32Array | Uint16Array;

export interface FloorRun {
  operation: 'read' | 'write' | 'in-place';
  variant: 'plain' | 'prefetch';
  values: Logits;
  output?: Logits;
  factor: number;
  threads: number;
}

export interface BareLossCall {
  logits: Logits;
  targets: Int32Array;
  gradLogits?: Logits;
  rows: number;
  vocabSize: number;
  dtype: BenchDType;
  penalty: string;
  lambda: number;
  beamWidth: number;
  gradient: 'none' | 'out-of-place' | 'in-place';
  pruningStatistics: boolean;
  threads: number;
}

export interface KernelInfo {
  instructionSet: string;
  tuning: string;
  /** As `zen4`; `default` for any that has no tuning of its own. */
  family: string;
}

export interface BenchAddon {
  /** Milliseconds of one pass over the bytes of `values`, taken as 4-byte floats. */
  runFloor(run: FloorRun): number;
  /** One call of Backend::compute; milliseconds of that call alone. */
  runLoss(call: BareLossCall): { milliseconds: number; loss: number };
  /** The instruction set and the tuning that the loss kernels use, and the family of this processor. */
  kernelInfo(): KernelInfo;
  /** Changes the tuning, as FUSED_BEAR_LOSS_TUNING does at the start. */
  forceTuning(text: string): void;
}

/** `file` is for trial builds; by default the one that `npm run build:bench` makes. */
export function loadBenchAddon(
  file = path.join(__dirname, '..', 'build', 'bench', 'fused_bear_loss_bench.node'),
): BenchAddon {
  if (!existsSync(file)) throw new Error(`${file} is not there: run "npm run build:bench" first`);
  return require(file) as BenchAddon;
}
