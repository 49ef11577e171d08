import { Mulberry32 } from '../../recommender/src/random/mulberry32';

/** Seeded random numbers: the same sequence on every machine, so that a failing case can be run again. */
export class SeededRandom extends Mulberry32 {
  /** Standard normal (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Uniform integer in [0, count). */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  normals(count: number, deviation = 1, mean = 0): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; ++i) values[i] = mean + deviation * this.normal();
    return values;
  }

  integers(count: number, limit: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.integer(limit));
  }

  /** `count` different integers of [0, limit), ascending. */
  sample(count: number, limit: number): number[] {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(count, limit)) chosen.add(this.integer(limit));
    return [...chosen].sort((a, b) => a - b);
  }
}
