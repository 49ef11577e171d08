// One call of the linear form in a module of its own: its arrays are copied into that module's memory.
import type { NativeArray, NativeFault, NativeOutcome } from '../native/binding.js';
import { type ArrayField, CALL_FIELDS, LENDABLE } from '../native/call-fields.js';
import { lengthOf, shareMemory } from '../options/typed-arrays.js';
import { Layout, viewOfModule } from './blocks.js';
import { cleanView, elementType, numberIndex, typeOfField, type VIEW_TYPES } from './loss-call.js';
import { instantiate, type ModuleExports, OUT_OF_MEMORY } from './module.js';

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
/** What a gradient must not lie on, by the name that the caller knows. */
const PUBLIC_NAMES: Partial<Record<ArrayName, string>> = {
  ...Object.fromEntries(GRADIENTS.map((name) => [name, `out.${name}`])),
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

const linearNumberIndex = Object.fromEntries(CALL_FIELDS.linearNumbers.map((name, index) => [name, index])) as Record<
  LinearNumberName,
  number
>;

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

/** The public name of what a gradient shares memory with. */
function findOverlap(arrays: Arrays): string | undefined {
  const spans = Object.entries(PUBLIC_NAMES).flatMap(([name, publicName]) => {
    const array = arrays[name as ArrayName];
    return array === undefined ? [] : [{ publicName, array }];
  });
  const gradients = spans.filter(({ publicName }) => publicName.startsWith('out.'));
  for (const [index, { array }] of gradients.entries()) {
    const other = spans
      .slice(index + 1)
      .find((span) => shareMemory(array, array.length, span.array, span.array.length));
    if (other) return other.publicName;
  }
  return undefined;
}

export class LinearCall {
  private readonly arrays: Arrays;
  private readonly places: Partial<Record<ArrayName, number>> = {};
  private readonly lengths: Partial<Record<ArrayName, number>> = {};
  private wasm!: ModuleExports;
  private base = 0;
  private call = 0;
  private readonly layout = new Layout();
  private readonly numbersAt: number;
  private readonly linearNumbersAt: number;
  private readonly pointersAt: number;
  private readonly reportAt: number;
  private readonly nonFiniteAt: number;
  private readonly sumsAt: number;
  private readonly rows: number;

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
    this.rows = given.numbers[numberIndex.rows] as number;
    const { layout } = this;
    this.numbersAt = layout.place(8 * given.numbers.length);
    this.linearNumbersAt = layout.place(8 * given.linearNumbers.length);
    this.pointersAt = layout.place(4 * (CALL_FIELDS.arrays.length + LINEAR_ARRAYS.length));
    this.reportAt = layout.place(8 * 4);
    this.nonFiniteAt = layout.place(4 * this.rows);
    this.sumsAt = layout.place(whenDone && this.accumulates ? 4 * ADDED_ELEMENTS : 0);
    for (const [name, { byteLength, length }] of Object.entries(this.arrays)) {
      this.places[name as ArrayName] = layout.place(byteLength);
      this.lengths[name as ArrayName] = length;
    }
  }

  /** Copies what the call reads; how it ends, where it does before anything is computed. */
  begin(workspaceBytes: number): NativeOutcome | undefined {
    const input = findOverlap(this.arrays);
    if (input !== undefined) return { status: 'overlap', input };
    this.wasm = instantiate();
    this.base = this.wasm.allocate(this.layout.bytes);
    if (this.base === 0) return OUT_OF_MEMORY;
    const { wasm, base, given, arrays } = this;
    this.copyIn();
    const linearNumbers = Float64Array.from(given.linearNumbers);
    if (this.whenDone) linearNumbers[linearNumberIndex.accumulate] = 0;
    linearNumbers[linearNumberIndex.weightIsZero] = 0; // the module's memory is not
    linearNumbers[linearNumberIndex.workspaceBytes] = workspaceBytes;
    viewOfModule(wasm, 'Float64Array', base + this.numbersAt, given.numbers.length).set(given.numbers);
    viewOfModule(wasm, 'Float64Array', base + this.linearNumbersAt, linearNumbers.length).set(linearNumbers);
    const pointers = [...CALL_FIELDS.arrays, ...LINEAR_ARRAYS].map((name) => this.pointer(name));
    viewOfModule(wasm, 'Uint32Array', base + this.pointersAt, pointers.length).set(pointers);
    this.call = wasm.linear_begin(
      base + this.numbersAt,
      base + this.pointersAt,
      base + this.linearNumbersAt,
      base + this.pointersAt + 4 * CALL_FIELDS.arrays.length,
      arrays.allowedTokens?.length ?? 0,
      arrays.weightTokens?.length ?? (given.numbers[numberIndex.vocabSize] as number),
      base + this.reportAt,
    );
    if (this.call !== 0) return undefined;
    const [error, row, value] = viewOfModule(wasm, 'Float64Array', base + this.reportAt, 3) as unknown as [
      number,
      number,
      number,
    ];
    return { status: 'invalid', fault: this.faultNames[error] as NativeFault, row, value };
  }

  /** Computes a chunk of rows; returns whether it was the last. */
  step(): boolean {
    return this.wasm.linear_step(this.call) !== 0;
  }

  /** Writes what the call came to. */
  end(): NativeOutcome {
    const { wasm, base } = this;
    const now = givenArrays(this.given);
    const written = OUTPUTS.filter((name) => (this.lengths[name] ?? 0) > 0);
    if (written.some((name) => lengthOf(now[name] as NativeArray) !== this.lengths[name])) {
      return { status: 'detached' };
    }
    const outputs = cleanViews(Object.fromEntries(written.map((name) => [name, now[name]])), this.operandDType);
    const count = wasm.linear_end(this.call, base + this.reportAt, base + this.nonFiniteAt);
    for (const [name, array] of Object.entries(outputs)) this.copyOut(name as ArrayName, array);
    const [loss, countedRows, prunedRows, topRankedRows] = viewOfModule(
      wasm,
      'Float64Array',
      base + this.reportAt,
      4,
    ) as unknown as [number, number, number, number];
    const nonFiniteRows = Array.from(viewOfModule(wasm, 'Int32Array', base + this.nonFiniteAt, count));
    return { status: 'done', loss, countedRows, prunedRows, topRankedRows, nonFiniteRows };
  }

  private get operandDType(): number {
    return this.given.linearNumbers[linearNumberIndex.operandDType] as number;
  }

  private get accumulates(): boolean {
    return this.given.linearNumbers[linearNumberIndex.accumulate] !== 0;
  }

  private pointer(name: ArrayName): number {
    const place = this.places[name];
    return place === undefined ? 0 : this.base + place;
  }

  private copyIn(): void {
    for (const [name, array] of Object.entries(this.arrays) as [ArrayName, NativeArray][]) {
      const isOutput = OUTPUTS.includes(name);
      if (!isOutput || (this.accumulates && !this.whenDone)) this.moduleArray(name, array).set(array);
    }
  }

  private copyOut(name: ArrayName, to: NativeArray): void {
    const found = this.moduleArray(name, to);
    if (!this.accumulates || !this.whenDone || !GRADIENTS.includes(name as 'gradHidden')) {
      to.set(found);
      return;
    }
    const isHalf = to.BYTES_PER_ELEMENT === 2 ? 1 : 0;
    const sums = this.base + this.sumsAt;
    for (let begin = 0; begin < to.length; begin += ADDED_ELEMENTS) {
      const part = to.subarray(begin, begin + ADDED_ELEMENTS);
      const added = viewOfModule(this.wasm, isHalf ? 'Uint16Array' : 'Float32Array', sums, part.length);
      added.set(part);
      this.wasm.add_elements(isHalf, this.pointer(name) + begin * to.BYTES_PER_ELEMENT, part.length, sums);
      part.set(added);
    }
  }

  private moduleArray(name: ArrayName, like: NativeArray): NativeArray {
    const type = like.constructor.name as keyof typeof VIEW_TYPES;
    return viewOfModule(this.wasm, type, this.pointer(name), like.length);
  }
}
