// The names that the module was built with, as the addon exports them.
import type { NativeBinding } from '../native/binding.js';
import { type ModuleExports, moduleExports } from './module.js';

/** In the order of kTables in native/wasm/module.cc. */
const NAME_TABLES = [
  'dtype',
  'penalty',
  'reduction',
  'thresholdGradient',
  'gradient',
  'deviceErrorKinds',
  'faults',
  'numbers',
  'arrays',
  'summary',
  'topTokensNumbers',
  'linearNumbers',
  'linearArrays',
] as const;

export type Names = Pick<NativeBinding, 'optionNames' | 'deviceErrorKinds' | 'callFields'> & { faults: string[] };

export function readNames(): Names {
  const exports = moduleExports();
  const tables = Object.fromEntries(NAME_TABLES.map((name, index) => [name, readTable(exports, index)]));
  const { dtype, penalty, reduction, thresholdGradient, gradient, deviceErrorKinds, faults, ...callFields } =
    tables as Record<(typeof NAME_TABLES)[number], string[]>;
  return {
    optionNames: { dtype, penalty, reduction, thresholdGradient, gradient },
    deviceErrorKinds,
    faults,
    callFields,
  };
}

// A pointer to an array of C strings, and their number.
function readTable({ memory, name_table }: ModuleExports, index: number): string[] {
  const words = new Uint32Array(memory.buffer, name_table(index), 2);
  const strings = new Uint32Array(memory.buffer, words[0], words[1]);
  return Array.from(strings, (start) => readString(new Uint8Array(memory.buffer), start));
}

function readString(bytes: Uint8Array, start: number): string {
  return String.fromCharCode(...bytes.subarray(start, bytes.indexOf(0, start)));
}
