// For the benchmark, which times what the example does.
import type { BearPartials } from 'fused-bear-loss';

export interface SharedMemory {
  posted: Int32Array;
  slots: object[][];
}

export function shareMemory(samples: readonly BearPartials[]): SharedMemory;
export function count(counter: Int32Array): void;
export function waitFor(counter: Int32Array, least: number): void;

export class SharedExchange {
  constructor(memory: SharedMemory, part: number);
  exchange(partials: BearPartials): BearPartials[];
}
