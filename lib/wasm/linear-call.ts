// One call of the linear form in a module of its own: its arrays are copied into that module's memory.
import type { NativeArray, NativeOutcome } from '../native/binding.js';
import { type ArrayField, CALL_FIELDS, LENDABLE } from '../native/call-fields.js';
import { lengthOf } from '../options/typed-arrays.js';
import { viewOfModule } from './blocks.js';
import { findOverlap, REPORT_NUMBERS, readFault, spansOf } from './checks.js';
import { cleanView, elementType, numberIndex, typeOfField } from './loss-call.js';
import { OUT_OF_MEMORY } from './module.js';
import { OwnModule } from './own-module.js';

/** As the facade hands it over. */
export interface GivenLinearCall {
  numbers: Float64Array;
  arrays: (NativeArray | undefined)[];
  linearNumbers: Float64Array;
  linearArrays: (NativeArray | undefined)[];
}

type LinearArrayName = (typeof LENDABLE)[number] | 'weightTokens';
type ArrayName = ArrayField | LinearArrayName;
type LinearNumberName = 'operandDType' | 'accumulate' | 'weightIsZero' | 'workspaceBytes';

const LINEAR_ARRAYS: readonly LinearArrayName[] = [...LENDABLE, 'weightTokens'];
const GRADIENTS = ['gradHidden', 'gradWeight', 'gradBias', 'gradAllowedBias'] as const;
const OUTPUTS: readonly ArrayName[] = [
  ...(['rowLosses', 'nll', 'logSumExp', 'threshold', 'margins', 'penalties', 'rank'] as const),
  ...GRADIENTS,
];
// By the names that the caller knows: gradients, and what they must not lie on.
const PUBLIC_GRADIENTS = {
  gradHidden: 'out.gradHidden',
  gradWeight: 'out.gradWeight',
  gradBias: 'out.gradBias',
  gradAllowedBias: 'out.gradAllowedBias',
};
const PUBLIC_INPUTS: Partial<Record<ArrayName, string>> = {
  hidden: 'hidden',
  weight: 'weight',
  bias: 'bias',
  allowedBias: 'allowed.bias',
  targets: 'targets',
  tokenWeights: 'tokenWeights',
  penaltyWeights: 'penaltyWeights',
  gradOutputRows: 'gradOutput',
  allowedBitmask: 'allowed.bitmask',
};
/** Elements that are added to the caller's at a time. */
const ADDED_ELEMENTS = 1 << 18;

export const linearNumberIndex = Object.fromEntries(
  CALL_FIELDS.linearNumbers.map((name, index) => [name, index]),
) as Record<LinearNumberName, number>;

type Arrays = Partial<Record<ArrayName, NativeArray>>;

/** The arrays that were given, as they are now. */
function givenArrays({ arrays, linearArrays }: GivenLinearCall): Arrays {
  const named = (names: readonly ArrayName[], values: (NativeArray | undefined)[]) =>
    names.map((name, index) => [name, values[index]] as const);
  const all = [...named(CALL_FIELDS.arrays, arrays), ...named(LINEAR_ARRAYS, linearArrays)];
  return Object.fromEntries(all.filter(([name, array]) => name !== 'logits' && array !== undefined));
}

/** Without anything that a program may have done to them. */
function cleanViews(arrays: Arrays, operandDType: number): Arrays {
  const factors = elementType(operandDType);
  const typeOf = (name: ArrayName) => {
    if (name === 'hidden' || name === 'weight' || name === 'gradHidden') return factors;
    if (LENDABLE.includes(name as (typeof LENDABLE)[number])) return 'Float32Array';
    return name === 'weightTokens' ? 'Int32Array' : typeOfField(name as ArrayField, 'Float32Array');
  };
  const entries = Object.entries(arrays) as [ArrayName, NativeArray][];
  return Object.fromEntries(entries.map(([name, array]) => [name, cleanView(array, typeOf(name))]));
}

export class LinearCall {
  private readonly arrays: Arrays;
  private readonly own: OwnModule<ArrayName>;
  private call = 0;
  private readonly numbersAt: number;
  private readonly linearNumbersAt: number;
  private readonly pointersAt: number;
  private readonly linearPointersAt: number;
  private readonly reportAt: number;
  private readonly nonFiniteAt: number;
  private readonly sumsAt: number;

  /**
   * `whenDone`: gradients are added to the caller's when all is done, whatever is there then; else they go on from what is
   * there now.
   */
  constructor(
    private readonly given: GivenLinearCall,
    private readonly faultNames: readonly string[],
    private readonly whenDone: boolean,
  ) {
    this.arrays = cleanViews(givenArrays(given), this.operandDType);
    const own = new OwnModule(this.arrays);
    this.own = own;
    this.numbersAt = own.place(8 * given.numbers.length);
    this.linearNumbersAt = own.place(8 * given.linearNumbers.length);
    this.pointersAt = own.place(4 * CALL_FIELDS.arrays.length);
    this.linearPointersAt = own.place(4 * LINEAR_ARRAYS.length);
    this.reportAt = own.place(8 * REPORT_NUMBERS);
    this.nonFiniteAt = own.place(4 * (given.numbers[numberIndex.rows] as number));
    this.sumsAt = own.place(this.addsWhenDone ? 4 * ADDED_ELEMENTS : 0);
  }

  /** Copies what the call reads; how it ends, where it does before anything is computed. */
  begin(workspaceBytes: number): NativeOutcome | undefined {
    const { own, given, arrays } = this;
    const input = findOverlap(spansOf(arrays, PUBLIC_GRADIENTS), spansOf(arrays, PUBLIC_INPUTS));
    if (input !== undefined) return { status: 'overlap', input };
    if (!own.allocate()) return OUT_OF_MEMORY;
    this.copyIn();
    const linearNumbers = Float64Array.from(given.linearNumbers);
    if (this.whenDone) linearNumbers[linearNumberIndex.accumulate] = 0;
    linearNumbers[linearNumberIndex.weightIsZero] = 0; // the module's memory is not
    linearNumbers[linearNumberIndex.workspaceBytes] = workspaceBytes;
    own.writeNumbers(this.numbersAt, given.numbers);
    own.writeNumbers(this.linearNumbersAt, linearNumbers);
    own.writePointers(this.pointersAt, CALL_FIELDS.arrays);
    own.writePointers(this.linearPointersAt, LINEAR_ARRAYS);
    this.call = own.wasm.linear_begin(
      own.at(this.numbersAt),
      own.at(this.pointersAt),
      own.at(this.linearNumbersAt),
      own.at(this.linearPointersAt),
      arrays.allowedTokens?.length ?? 0,
      arrays.weightTokens?.length ?? (given.numbers[numberIndex.vocabSize] as number),
      own.at(this.reportAt),
    );
    return readFault(own.wasm, own.at(this.reportAt), this.faultNames);
  }

  /** Computes a chunk of rows; returns whether it was the last. */
  step(): boolean {
    return this.own.wasm.linear_step(this.call) !== 0;
  }

  /** Writes what the call came to. */
  end(): NativeOutcome {
    const { own } = this;
    const now = givenArrays(this.given);
    const written = OUTPUTS.filter((name) => (own.lengthOf(name) ?? 0) > 0);
    if (written.some((name) => lengthOf(now[name] as NativeArray) !== own.lengthOf(name))) {
      return { status: 'detached' };
    }
    const outputs = cleanViews(Object.fromEntries(written.map((name) => [name, now[name]])), this.operandDType);
    const count = own.wasm.linear_end(this.call, own.at(this.reportAt), own.at(this.nonFiniteAt));
    for (const [name, array] of Object.entries(outputs)) this.copyOut(name as ArrayName, array);
    const summary = viewOfModule(own.wasm, 'Float64Array', own.at(this.reportAt), REPORT_NUMBERS);
    const [loss, countedRows, prunedRows, topRankedRows] = summary as unknown as [number, number, number, number];
    const nonFiniteRows = Array.from(viewOfModule(own.wasm, 'Int32Array', own.at(this.nonFiniteAt), count));
    return { status: 'done', loss, countedRows, prunedRows, topRankedRows, nonFiniteRows };
  }

  private get operandDType(): number {
    return this.given.linearNumbers[linearNumberIndex.operandDType] as number;
  }

  private get accumulates(): boolean {
    return this.given.linearNumbers[linearNumberIndex.accumulate] !== 0;
  }

  private get addsWhenDone(): boolean {
    return this.accumulates && this.whenDone;
  }

  private copyIn(): void {
    const goesOn = this.accumulates && !this.whenDone;
    for (const [name, array] of Object.entries(this.arrays) as [ArrayName, NativeArray][]) {
      if (goesOn || !OUTPUTS.includes(name)) this.own.array(name).set(array);
    }
  }

  private copyOut(name: ArrayName, to: NativeArray): void {
    const { own } = this;
    if (!this.addsWhenDone || !GRADIENTS.includes(name as 'gradHidden')) {
      to.set(own.array(name));
      return;
    }
    const isHalf = to.BYTES_PER_ELEMENT === 2 ? 1 : 0;
    const sums = own.at(this.sumsAt);
    for (let begin = 0; begin < to.length; begin += ADDED_ELEMENTS) {
      const part = to.subarray(begin, begin + ADDED_ELEMENTS);
      const added = viewOfModule(own.wasm, isHalf ? 'Uint16Array' : 'Float32Array', sums, part.length);
      added.set(part);
      own.wasm.add_elements(isHalf, own.pointer(name) + begin * to.BYTES_PER_ELEMENT, part.length, sums);
      part.set(added);
    }
  }
}
