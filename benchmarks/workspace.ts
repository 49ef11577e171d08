// The buffers of one shape and dtype. Inputs and outputs rotate over several buffers, together far larger than the
// last-level cache: the same buffer again and again would be read from the cache, up to twice as fast.
import { bytesPerElement, type Shape } from './cases';
import type { BenchAddon, BenchDType, Logits } from './native';
import { fillNormal, seed, toBFloat16, uniformGenerator } from './random-logits';

export const bufferCount = 5;

export interface Workspace {
  shape: Shape;
  dtype: BenchDType;
  targets: Int32Array;
  /** bufferCount buffers with the same logits from N(0, 3), 3 being the standard deviation. */
  logits: Logits[];
  /** As many for the gradients. */
  gradients: Logits[];
  /** Undoes what an in-place pass did to one of the logits buffers. */
  restore(buffer: number): void;
}

export function createWorkspace(shape: Shape, dtype: BenchDType, addon: BenchAddon, threads: number): Workspace {
  const count = shape.rows * shape.vocabSize;
  const uniform = uniformGenerator(seed);
  const targets = Int32Array.from({ length: shape.rows }, () => Math.floor(uniform() * shape.vocabSize));
  const normal = new Float32Array(count);
  fillNormal(normal, 3, uniform);
  const pristine = dtype === 'float32' ? normal : toBFloat16(normal);
  const logits = Array.from({ length: bufferCount }, () => pristine.slice());
  // Filled, as an untouched page is not memory yet.
  const gradients = Array.from({ length: bufferCount }, () => pristine.slice().fill(1));
  return {
    shape,
    dtype,
    targets,
    logits,
    gradients,
    // Stores past the caches: the restored logits are in none of them when the clock starts.
    restore: (buffer) => {
      addon.runFloor({
        operation: 'write',
        variant: 'plain',
        values: pristine,
        output: logits[buffer],
        factor: 1,
        threads,
      });
    },
  };
}

// A last-level cache that takes what leaves the second level keeps some of what it held when as much again passes by; a
// virtual machine may report its host's, which nobody need read three times.
const evictionFactor = 3;
const mostEvictionBytes = 256 * 2 ** 20;

/**
 * Leaves the caches full of clean lines that nobody needs, so that no contender pays for writing back what the one before
 * it left, nor finds its own input.
 */
export function createCacheEviction(lastLevelCacheBytes: number, addon: BenchAddon, threads: number): () => void {
  const bytes = Math.min(evictionFactor * lastLevelCacheBytes, mostEvictionBytes);
  const values = new Float32Array(bytes / bytesPerElement('float32')).fill(1);
  return () => {
    addon.runFloor({ operation: 'read', variant: 'plain', values, factor: 1, threads });
  };
}
