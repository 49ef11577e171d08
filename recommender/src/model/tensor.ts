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
