// The module's one instance.
import { compiledModule } from './compiled-module.js';
import { memoryError, webAssembly } from './web-assembly.js';

/** The functions of native/wasm/module.cc. Pointers are numbers; 0 is null. */
export interface ModuleExports {
  memory: { readonly buffer: ArrayBuffer };
  reserve(bytes: number, longestRow: number, isMasked: boolean, width: number): number;
  find_fault(numbers: number, arrays: number, tokens: number, report: number): void;
  find_constraint_fault(rows: number, vocabSize: number, offsets: number, tokens: number, report: number): void;
  divisor(numbers: number, countedRows: number, weights: number): number;
  compute_rows(
    numbers: number,
    arrays: number,
    rowOffsets: number,
    longestRow: number,
    wide: number,
    divisor: number,
    sums: number,
    nonFiniteRows: number,
  ): void;
  top_tokens(
    numbers: number,
    logits: number,
    wide: number,
    offsets: number,
    tokens: number,
    bitmask: number,
    longestRow: number,
    outTokens: number,
    logProbabilities: number,
    logSumExp: number,
  ): void;
  name_table(index: number): number;
  allocate(bytes: number): number;
  linear_begin(
    numbers: number,
    arrays: number,
    linearNumbers: number,
    linearArrays: number,
    entries: number,
    weightRows: number,
    report: number,
  ): number;
  linear_step(call: number): number;
  linear_end(call: number, summary: number, nonFiniteRows: number): number;
  linear_top_tokens(numbers: number, product: number, arrays: number, entries: number, report: number): void;
  add_elements(isHalf: number, elements: number, count: number, sums: number): void;
}

/** How a call ends that the module has no memory for. */
export const OUT_OF_MEMORY = { status: 'module-out-of-memory' } as const;

// Memory of a module never shrinks. One that a call with very long rows has made larger than this is let go.
const MOST_KEPT_BYTES = 64 * 1024 * 1024;

let instance: ModuleExports | undefined;

/** What a call's blocks need: bytes of its arrays, the logits of its longest row, and how wide the beam is. */
export interface Needs {
  bytes: number;
  longestRow: number;
  isMasked: boolean;
  width: number;
}

/** Memory of the module. Another reservation may use it for something else. */
export interface Reservation {
  wasm: ModuleExports;
  /** Where the call's arrays begin. */
  base: number;
}

let latest: Reservation | undefined;

/** Memory for a call, or undefined where the module cannot have that much. */
export function reserve(needs: Needs): Reservation | undefined {
  const reservation = tryToReserve(needs);
  if (reservation !== undefined) return reservation;
  // What earlier calls have left in the way is not there in a new one.
  instance = undefined;
  return tryToReserve(needs);
}

function tryToReserve({ bytes, longestRow, isMasked, width }: Needs): Reservation | undefined {
  const wasm = moduleExports();
  const base = wasm.reserve(bytes, longestRow, isMasked, width);
  latest = base === 0 ? undefined : { wasm, base };
  return latest;
}

/** Whether the memory is still what it was when it was reserved. */
export function isUntouched(reservation: Reservation): boolean {
  return reservation === latest && reservation.wasm === instance;
}

/** The module, ready to be called. Throws an Error with a code of `WasmErrorCode` (web-assembly.ts). */
export function moduleExports(): ModuleExports {
  instance ??= instantiate();
  return instance;
}

/** A module that replaced another gets less memory than that one had. */
export class OutOfModuleMemory extends Error {}

/** Ends a call whose module runs out of memory; lets a module go that is larger than it has to be. */
export function whileModuleHasMemory<Outcome>(compute: () => Outcome): Outcome | typeof OUT_OF_MEMORY {
  try {
    return compute();
  } catch (error) {
    instance = undefined; // a trap leaves it in the middle of something
    if (error instanceof OutOfModuleMemory || isOutOfMemory(error)) return OUT_OF_MEMORY;
    throw error;
  } finally {
    if (instance !== undefined && instance.memory.buffer.byteLength > MOST_KEPT_BYTES) instance = undefined;
  }
}

// The module has no other way to say so than a trap.
function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'RuntimeError' && /unreachable/i.test(error.message);
}

/** A module that only the caller has. */
export function instantiate(): ModuleExports {
  const compiled = compiledModule();
  try {
    return new (webAssembly().Instance)(compiled, {}).exports as ModuleExports;
  } catch (error) {
    throw memoryError(error);
  }
}
