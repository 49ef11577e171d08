import type { Random } from '../random/random.js';

/** A parameter or an input on the host, row by row. */
export interface Tensor {
  data: Float32Array;
  shape: number[];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function zeros(shape: number[]): Tensor {
  return { data: new Float32Array(sizeOf(shape)), shape };
}

export function normals(shape: number[], deviation: number, random: Random): Tensor {
  return { data: Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal()), shape };
}

/** Adds `factor` times `length` numbers of `terms`, from place `from` on, to those of `sums` from `to` on. */
export function addScaled(
  sums: Float32Array,
  to: number,
  terms: Float32Array,
  from: number,
  length: number,
  factor: number,
): void {
  for (let k = 0; k < length; k++) {
    sums[to + k] = (sums[to + k] as number) + factor * (terms[from + k] as number);
  }
}
