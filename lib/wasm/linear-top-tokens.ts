// linearTopTokens in a module of its own: the arrays of the call are copied into that module's memory.
import type { NativeFault, NativeOutcome } from '../native/binding.js';
import { shareMemory } from '../options/typed-arrays.js';
import { Layout, viewOfModule } from './blocks.js';
import { cleanView, elementType, type VIEW_TYPES } from './loss-call.js';
import { instantiate, OUT_OF_MEMORY } from './module.js';
import type { Elements } from './rows.js';

export interface LinearTopTokensArrays {
  hidden: Elements;
  weight: Elements;
  bias: Elements | undefined;
  allowedBias: Elements | undefined;
  offsets: Int32Array | undefined;
  allowedTokens: Int32Array | undefined;
  bitmask: Uint32Array | undefined;
  tokens: Int32Array;
  logProbabilities: Float32Array;
  logSumExp: Float32Array;
}

type ArrayName = keyof LinearTopTokensArrays;
type Type = keyof typeof VIEW_TYPES;

/** What a result must not lie on, and what the caller calls it. Index arrays are the call's own. */
const PUBLIC_NAMES: Partial<Record<ArrayName, string>> = {
  tokens: 'out.tokens',
  logProbabilities: 'out.logProbabilities',
  logSumExp: 'out.logSumExp',
  hidden: 'hidden',
  weight: 'weight',
  bias: 'bias',
  allowedBias: 'allowed.bias',
};
const OUTPUTS = ['tokens', 'logProbabilities', 'logSumExp'] as const;

export function computeLinearTopTokens(
  numbers: Float64Array,
  product: Float64Array,
  given: LinearTopTokensArrays,
  faultNames: readonly string[],
): NativeOutcome | undefined {
  const [rows, , , dtype, beamWidth] = numbers as unknown as [number, number, number, number, number];
  const factors = elementType(dtype);
  const typeOf: Record<ArrayName, Type> = {
    hidden: factors,
    weight: factors,
    bias: 'Float32Array',
    allowedBias: 'Float32Array',
    offsets: 'Int32Array',
    allowedTokens: 'Int32Array',
    bitmask: 'Uint32Array',
    tokens: 'Int32Array',
    logProbabilities: 'Float32Array',
    logSumExp: 'Float32Array',
  };
  const names = Object.keys(typeOf) as ArrayName[];
  // The caller's outputs may be longer than what is written.
  const lengths = { tokens: rows * beamWidth, logProbabilities: rows * beamWidth, logSumExp: rows };
  const arrays = names.map((name) => {
    const array = given[name];
    const clean = array && cleanView(array, typeOf[name]);
    return clean?.subarray(0, lengths[name as (typeof OUTPUTS)[number]] ?? clean.length);
  });
  const input = findOverlap(names, arrays);
  if (input !== undefined) return { status: 'overlap', input };

  const layout = new Layout();
  const numbersAt = layout.place(8 * numbers.length);
  const productAt = layout.place(8 * product.length);
  const pointersAt = layout.place(4 * names.length);
  const reportAt = layout.place(8 * 3);
  const places = arrays.map((array) => (array === undefined ? undefined : layout.place(array.byteLength)));
  const wasm = instantiate();
  const base = wasm.allocate(layout.bytes);
  if (base === 0) return OUT_OF_MEMORY;
  const moduleArray = (index: number) =>
    viewOfModule(wasm, typeOf[names[index] as ArrayName], base + (places[index] as number), arrays[index]?.length ?? 0);
  const isOutput = (name: ArrayName) => (OUTPUTS as readonly string[]).includes(name);
  names.forEach((name, index) => {
    const array = arrays[index];
    if (array !== undefined && !isOutput(name)) moduleArray(index).set(array);
  });
  viewOfModule(wasm, 'Float64Array', base + numbersAt, numbers.length).set(numbers);
  viewOfModule(wasm, 'Float64Array', base + productAt, product.length).set(product);
  const pointers = places.map((place) => (place === undefined ? 0 : base + place));
  viewOfModule(wasm, 'Uint32Array', base + pointersAt, pointers.length).set(pointers);
  const entries = given.allowedTokens?.length ?? 0;
  wasm.linear_top_tokens(base + numbersAt, base + productAt, base + pointersAt, entries, base + reportAt);
  const [error, row, value] = viewOfModule(wasm, 'Float64Array', base + reportAt, 3) as unknown as [
    number,
    number,
    number,
  ];
  if (error !== 0) return { status: 'invalid', fault: faultNames[error] as NativeFault, row, value };
  names.forEach((name, index) => {
    if (isOutput(name)) arrays[index]?.set(moduleArray(index));
  });
  return undefined;
}

/** The public name of what a result shares memory with. */
function findOverlap(
  names: readonly ArrayName[],
  arrays: readonly (Elements | Int32Array | Uint32Array | undefined)[],
) {
  const spans = (Object.keys(PUBLIC_NAMES) as ArrayName[]).flatMap((name) => {
    const array = arrays[names.indexOf(name)];
    return array === undefined ? [] : [{ publicName: PUBLIC_NAMES[name], array }];
  });
  for (const [index, { array }] of spans.slice(0, OUTPUTS.length).entries()) {
    const other = spans
      .slice(index + 1)
      .find((span) => shareMemory(array, array.length, span.array, span.array.length));
    if (other) return other.publicName;
  }
  return undefined;
}
