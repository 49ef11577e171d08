// What has to be right before a call writes anything, as the module or the memory of its arrays tells.
import type { NativeArray, NativeFault, NativeOutcome } from '../native/binding.js';
import { shareMemory } from '../options/typed-arrays.js';
import { viewOfModule } from './blocks.js';
import type { ModuleExports } from './module.js';

export type Invalid = Extract<NativeOutcome, { status: 'invalid' }>;

/** Numbers of a report of the module: error, row, value; find_fault adds how many rows count. */
export const REPORT_NUMBERS = 4;

/** What a report at `pointer` says is wrong, of rows that begin with `firstRow`; undefined: nothing. */
export function readFault(
  wasm: ModuleExports,
  pointer: number,
  faultNames: readonly string[],
  firstRow = 0,
): Invalid | undefined {
  const report = viewOfModule(wasm, 'Float64Array', pointer, 3);
  const [error, row, value] = report as unknown as [number, number, number];
  if (error === 0) return undefined;
  return { status: 'invalid', fault: faultNames[error] as NativeFault, row: firstRow + row, value };
}

/** The first elements of an array, by the name that the caller knows. */
export interface Span {
  name: string;
  array: NativeArray;
  elements: number;
}

/** Whole arrays, those that are there, by the names that the caller knows. */
export function spansOf<Name extends string>(
  arrays: Partial<Record<Name, NativeArray>>,
  publicNames: Partial<Record<Name, string>>,
): Span[] {
  return (Object.entries(publicNames) as [Name, string][]).flatMap(([name, publicName]) => {
    const array = arrays[name];
    return array === undefined ? [] : [{ name: publicName, array, elements: array.length }];
  });
}

/** The name of what one of the outputs shares memory with: another of them, or an input. */
export function findOverlap(outputs: readonly Span[], inputs: readonly Span[]): string | undefined {
  for (const [index, output] of outputs.entries()) {
    const other = [...outputs.slice(index + 1), ...inputs].find(({ array, elements }) =>
      shareMemory(output.array, output.elements, array, elements),
    );
    if (other) return other.name;
  }
  return undefined;
}
