// The options of the linear form: those of the loss that make sense without logits, and its own.
import { type CheckedOptions, OptionReader } from '../options/check-options.js';
import { refuse } from '../options/errors.js';
import { OPTIONS } from '../options/option-table.js';
import type { AsyncBearLossOptions, BearLossOptions, Reduction } from '../options/options.js';
import { elementError, forEachElement, readMembers } from '../options/reading.js';
import * as rules from '../options/rules.js';
import { expectedNames } from '../options/suggest.js';
import type { FactorArray } from './matrices.js';

export const NEEDS = ['hidden', 'weight', 'bias'] as const;

/** What a gradient can be of. */
export type LinearNeed = (typeof NEEDS)[number];

/** Arrays that take the gradients in place of new ones. None may share memory with an input or another. */
export interface LinearOutput {
  /** [N, H], the same kind of array as `hidden`. */
  gradHidden?: FactorArray;
  /** [V, H], float32 whatever the dtype of `weight`. */
  gradWeight?: Float32Array;
  /** [V] */
  gradBias?: Float32Array;
}

/**
 * Options of {@link fusedLinearBearLoss}: those of {@link fusedBearLoss} but for what concerns the memory of logits, and
 * these.
 */
export interface LinearBearLossOptions<
  R extends Reduction = Reduction,
  N extends readonly LinearNeed[] | undefined = readonly LinearNeed[] | undefined,
  S extends boolean = boolean,
> extends Omit<BearLossOptions<R, true, S>, 'rowStride' | 'gradient' | 'out' | 'device'> {
  /** H, the numbers of a hidden state: a positive integer. Default: from a shape, or from the length of `hidden`. */
  hiddenSize?: number;
  /** [V], added to the logits. Default: none. */
  bias?: Float32Array;
  /** Which gradients to compute; `[]`: none. Default: those of all that were given. */
  needs?: N;
  /**
   * Most bytes of memory for logits: a positive integer. Rows are computed together as far as they fit. Results do not
   * depend on it.
   *
   * @default 33554432
   */
  workspaceBytes?: number;
  /**
   * Adds the gradients to what `out` holds.
   *
   * @default false
   */
  accumulate?: boolean;
  /** Where the gradients are written. Default: new arrays. */
  out?: LinearOutput;
}

/** Options of {@link fusedLinearBearLossAsync}: those of {@link fusedLinearBearLoss}, and these. */
export interface AsyncLinearBearLossOptions<
  R extends Reduction = Reduction,
  N extends readonly LinearNeed[] | undefined = readonly LinearNeed[] | undefined,
  S extends boolean = boolean,
> extends LinearBearLossOptions<R, N, S>,
    Pick<AsyncBearLossOptions, 'borrow' | 'signal'> {}

const { rowStride: _, gradient: __, out: ___, device, ...inTable } = OPTIONS;

const MEBIBYTE = 2 ** 20;
const DEFAULT_WORKSPACE_BYTES = 32 * MEBIBYTE;

const needs: rules.Rule = (value, argument) => {
  const named = new Set<LinearNeed>();
  forEachElement(value, argument, 'names', (name, index) => {
    if (NEEDS.includes(name as LinearNeed)) named.add(name as LinearNeed);
    else throw elementError('ERR_BEAR_OPTION_VALUE', argument, expectedNames(name, NEEDS), name, index);
  });
  return named;
};

const OUT_NAMES = new Set(['gradHidden', 'gradWeight', 'gradBias']);

const out: rules.Rule = (value, argument) =>
  readMembers(value, argument, '{ gradHidden, gradWeight, gradBias }', OUT_NAMES, (given) => ({
    gradHidden: given.gradHidden,
    gradWeight: given.gradWeight,
    gradBias: given.gradBias,
  }));

const ROWS = {
  ...inTable,
  hiddenSize: { ...inTable.vocabSize, meaning: 'H' },
  bias: { values: '`Float32Array` [V]', check: rules.float32Array, meaning: 'added to the logits' },
  needs: { values: 'names', check: needs, meaning: 'which gradients to compute' },
  workspaceBytes: {
    values: 'positive integer',
    check: rules.positiveInteger,
    byDefault: DEFAULT_WORKSPACE_BYTES,
    meaning: 'most bytes of memory for logits',
  },
  accumulate: { values: 'boolean', check: rules.boolean, byDefault: false, meaning: 'adds to `out`' },
  out: { values: '`{ gradHidden, gradWeight, gradBias }`', check: out, meaning: 'where the gradients are written' },
};

type LossOptions = Omit<CheckedOptions, 'rowStride' | 'gradient' | 'out' | 'device'>;

interface ReadOptions extends LossOptions {
  hiddenSize: number | undefined;
  bias: Float32Array | undefined;
  needs: ReadonlySet<LinearNeed> | undefined;
  workspaceBytes: number;
  accumulate: boolean;
  out: Record<keyof LinearOutput, unknown> | undefined;
}

export interface CheckedLinearOptions extends ReadOptions {
  /** As the loss takes them, without a gradient. */
  loss: CheckedOptions;
  needs: ReadonlySet<LinearNeed>;
}

const reader = new OptionReader<ReadOptions>(ROWS);

export function checkLinearOptions(options?: object): CheckedLinearOptions {
  const read = reader.read(options);
  const { hiddenSize: _h, bias, needs, workspaceBytes: _w, accumulate, out, ...loss } = read;
  if (needs?.has('bias') && bias === undefined) {
    refuse('ERR_BEAR_OPTION_CONFLICT', 'needs', "no 'bias', as there is none", ['bias']);
  }
  const needed = needs ?? new Set(NEEDS.filter((name) => name !== 'bias' || bias !== undefined));
  for (const name of NEEDS) {
    const given = out?.[gradientName(name)];
    if (given === undefined || needed.has(name)) continue;
    refuse('ERR_BEAR_OPTION_CONFLICT', `out.${gradientName(name)}`, `'${name}' in needs`, given);
  }
  if (accumulate && out === undefined) {
    refuse('ERR_BEAR_OPTION_CONFLICT', 'accumulate', 'out beside it', accumulate);
  }
  return {
    ...read,
    needs: needed,
    loss: { ...loss, gradient: false, device: device.byDefault } as unknown as CheckedOptions,
  };
}

export function gradientName(need: LinearNeed): keyof LinearOutput {
  return { hidden: 'gradHidden', weight: 'gradWeight', bias: 'gradBias' }[need] as keyof LinearOutput;
}
