// Options as a caller gave them, read once, checked by the table, each by itself and against one another.
import type { CheckedSignal } from './abort-signal.js';
import { describe, fail } from './errors.js';
import { type DefaultedName, OPTIONS, type OptionRow } from './option-table.js';
import type { AsyncBearLossOptions, BearLossOptions } from './options.js';
import { checkMembers, readingError } from './reading.js';

/** Either both lists or the bitmask. */
export interface CheckedAllowed<Indices = Int32Array, Bits = Uint32Array> {
  offsets: Indices | undefined;
  tokens: Indices | undefined;
  bitmask: Bits | undefined;
}

/** Options whose values have been checked, with defaults filled in. `Given` are those of the caller. */
export type CheckedOptions<
  Given extends { [Name in DefaultedName]?: unknown } = AsyncBearLossOptions,
  Allowed = CheckedAllowed,
> = Readonly<
  Required<Pick<Given, DefaultedName & keyof Given>> &
    Omit<Given, DefaultedName | 'allowed' | 'signal'> & { allowed?: Allowed; signal?: CheckedSignal }
>;

/** The options that one kind of call takes. */
export class OptionReader<Checked> {
  readonly names: ReadonlySet<string>;
  readonly #rows: { name: string; check: OptionRow['check'] }[];
  // A copy of an object that has every name keeps its form, which is much of the time of a small call.
  readonly #defaults: Record<string, unknown>;

  constructor(table: Record<string, OptionRow>) {
    this.#rows = Object.entries(table).map(([name, { check }]) => ({ name, check }));
    this.#defaults = Object.fromEntries(Object.entries(table).map(([name, { byDefault }]) => [name, byDefault]));
    this.names = new Set(Object.keys(table));
  }

  /** Fills in the defaults of `options` after checking every value. Undefined values count as not given. */
  read(options: object = {}): Checked {
    const given = checkMembers(options, 'options', 'an object of options', this.names, '') as Record<string, unknown>;
    const checked = { ...this.#defaults };
    try {
      for (const { name, check } of this.#rows) {
        const value = given[name];
        if (value !== undefined) checked[name] = check(value, name);
      }
      checkTogether(checked as unknown as CheckedOptions);
      return checked as Checked;
    } catch (error) {
      throw readingError(error, given, 'options');
    }
  }
}

const reader = new OptionReader<CheckedOptions>(OPTIONS);

/** The options of calls with arrays in host memory. */
export const checkOptions = (options?: AsyncBearLossOptions) => reader.read(options);

/** The value of an option as the loss takes it, for other functions that have an option of the same name. */
export function checkOption<Name extends keyof BearLossOptions>(name: Name, value: unknown): CheckedOptions[Name] {
  const { check, byDefault }: OptionRow = OPTIONS[name];
  return (value === undefined ? byDefault : check(value, name)) as CheckedOptions[Name];
}

function checkTogether(options: CheckedOptions): void {
  const conflict = (argument: string, expected: string, received: string): never => {
    fail('ERR_BEAR_OPTION_CONFLICT', argument, expected, received);
  };
  const { reduction, gradient, allowed, penalty } = options;
  if (options.normalizer !== undefined && reduction !== 'mean') {
    conflict('normalizer', "reduction 'mean'", `reduction '${reduction}'`);
  }
  if (typeof options.gradOutput !== 'number' && reduction !== 'none') {
    conflict('gradOutput', `a number for reduction '${reduction}'`, describe(options.gradOutput));
  }
  const isSparse = gradient === 'sparse';
  if ((isSparse || gradient === 'in-place-sparse') && (allowed === undefined || allowed.bitmask !== undefined)) {
    const received = allowed ? 'a bitmask' : 'no constraint';
    conflict('gradient', `allowed: { offsets, tokens } with '${gradient}'`, received);
  }
  if (isSparse && options.device !== 'auto' && options.device !== 'cpu') refuseSparse(`device '${options.device}'`);
  if (!options.pruningStatistics && penalty !== 'none') {
    conflict('pruningStatistics', "penalty 'none' where it is false", `penalty '${penalty}'`);
  }
  const { out } = options;
  if (gradient === true || out === undefined) return;
  if (isSparse ? out.rowStride !== undefined : out.gradLogits !== undefined || out.rowStride !== undefined) {
    const expected = isSparse ? "no rowStride with gradient: 'sparse'" : 'gradient: true';
    conflict('out', expected, `gradient: ${describe(gradient)}`);
  }
}

/** Throws, where a sparse gradient cannot be had. */
export function refuseSparse(received: string): never {
  const expected = "another gradient than 'sparse', which needs whole rows on the CPU";
  fail('ERR_BEAR_OPTION_CONFLICT', 'gradient', expected, received);
}
