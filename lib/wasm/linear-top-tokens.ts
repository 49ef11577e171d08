// linearTopTokens in a module of its own: the arrays of the call are copied into that module's memory.
import type { NativeArray, NativeOutcome } from '../native/binding.js';
import { findOverlap, REPORT_NUMBERS, readFault, spansOf } from './checks.js';
import { cleanView, elementType, type VIEW_TYPES } from './loss-call.js';
import { OUT_OF_MEMORY } from './module.js';
import { OwnModule } from './own-module.js';
import type { Elements } from './rows.js';
import type { SelectionArrays } from './top-tokens.js';

export interface LinearTopTokensArrays extends SelectionArrays {
  hidden: Elements;
  weight: Elements;
  bias: Elements | undefined;
  allowedBias: Elements | undefined;
}

type ArrayName = keyof LinearTopTokensArrays;

const OUTPUTS = ['tokens', 'logProbabilities', 'logSumExp'] as const;
// By the names that the caller knows. Index arrays are the call's own.
const PUBLIC_OUTPUTS = {
  tokens: 'out.tokens',
  logProbabilities: 'out.logProbabilities',
  logSumExp: 'out.logSumExp',
};
const PUBLIC_INPUTS = { hidden: 'hidden', weight: 'weight', bias: 'bias', allowedBias: 'allowed.bias' };

export function computeLinearTopTokens(
  numbers: Float64Array,
  product: Float64Array,
  given: LinearTopTokensArrays,
  faultNames: readonly string[],
): NativeOutcome | undefined {
  const [rows, , , dtype, beamWidth] = numbers as unknown as [number, number, number, number, number];
  const factors = elementType(dtype);
  // In the order of linear_top_tokens in native/wasm/linear.cc.
  const typeOf: Record<ArrayName, keyof typeof VIEW_TYPES> = {
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
  const written = { tokens: rows * beamWidth, logProbabilities: rows * beamWidth, logSumExp: rows };
  const arrays: Partial<Record<ArrayName, NativeArray>> = {};
  for (const name of names) {
    const array = given[name];
    if (array !== undefined) arrays[name] = cleanView(array, typeOf[name]);
  }
  for (const name of OUTPUTS) arrays[name] = arrays[name]?.subarray(0, written[name]);
  const input = findOverlap(spansOf(arrays, PUBLIC_OUTPUTS), spansOf(arrays, PUBLIC_INPUTS));
  if (input !== undefined) return { status: 'overlap', input };

  const own = new OwnModule(arrays);
  const numbersAt = own.place(8 * numbers.length);
  const productAt = own.place(8 * product.length);
  const pointersAt = own.place(4 * names.length);
  const reportAt = own.place(8 * REPORT_NUMBERS);
  if (!own.allocate()) return OUT_OF_MEMORY;
  for (const name of names) {
    const array = arrays[name];
    if (array !== undefined && !OUTPUTS.includes(name as 'tokens')) own.array(name).set(array);
  }
  own.writeNumbers(numbersAt, numbers);
  own.writeNumbers(productAt, product);
  own.writePointers(pointersAt, names);
  own.wasm.linear_top_tokens(
    own.at(numbersAt),
    own.at(productAt),
    own.at(pointersAt),
    given.allowedTokens?.length ?? 0,
    own.at(reportAt),
  );
  const fault = readFault(own.wasm, own.at(reportAt), faultNames);
  if (fault !== undefined) return fault;
  for (const name of OUTPUTS) arrays[name]?.set(own.array(name));
  return undefined;
}
