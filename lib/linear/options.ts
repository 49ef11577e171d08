// The options of the linear form: those of the loss that make sense without logits, and its own.
import { type CheckedAllowed, type CheckedOptions, OptionReader } from '../options/check-options.js';
import { fail, refuse } from '../options/errors.js';
import { OPTIONS } from '../options/option-table.js';
import type {
  AllowedTokenBitmask,
  AllowedTokenLists,
  AsyncBearLossOptions,
  BearLossOptions,
  Reduction,
} from '../options/options.js';
import { elementError, forEachElement, readMembers } from '../options/reading.js';
import * as rules from '../options/rules.js';
import { expectedNames } from '../options/suggest.js';
import type { FactorArray } from './matrices.js';

export const NEEDS = ['hidden', 'weight', 'bias', 'allowedBias'] as const;

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
  /** One for each of `allowed.tokens`. */
  gradAllowedBias?: Float32Array;
}

/** Lists of allowed tokens, perhaps with a bias for each entry. Only these tokens have logits. */
export interface BiasedTokenLists extends AllowedTokenLists {
  /** One for each of `tokens`, added to the logit of the token in that row. Default: none. */
  bias?: Float32Array;
}

/**
 * Options of {@link fusedLinearBearLoss}: those of {@link fusedBearLoss} but for what concerns the memory of logits, and
 * these.
 */
export interface LinearBearLossOptions<
  R extends Reduction = Reduction,
  N extends readonly LinearNeed[] | undefined = readonly LinearNeed[] | undefined,
  S extends boolean = boolean,
  W extends boolean = boolean,
> extends Omit<BearLossOptions<R, true, S>, 'rowStride' | 'gradient' | 'out' | 'device' | 'allowed'> {
  /**
   * The tokens that may follow, per row. Of lists, nothing but the logits of listed tokens is computed, and rows with the
   * same list share the work. Default: every token.
   */
  allowed?: BiasedTokenLists | AllowedTokenBitmask;
  /** H, the numbers of a hidden state: a positive integer. Default: from a shape, or from the length of `hidden`. */
  hiddenSize?: number;
  /** [V], added to the logits. Default: none. */
  bias?: Float32Array;
  /** Which gradients to compute; `[]`: none. Default: those of all that were given. */
  needs?: N;
  /**
   * Most bytes of memory for logits: a positive integer. Rows are computed together as far as they fit. Results do not
   * depend on it. With AMX and bfloat16, the gradient of weight takes memory for 32 rows if these are at most 32 MB.
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
  /**
   * Whether the gradient of weight has only the rows of listed tokens: `{ rows, values }`. Needs `allowed` as lists.
   *
   * @default false
   */
  sparseWeightGradient?: W;
  /** Where the gradients are written. Default: new arrays. */
  out?: LinearOutput;
}

/** Options of {@link fusedLinearBearLossAsync}: those of {@link fusedLinearBearLoss}, and these. */
export interface AsyncLinearBearLossOptions<
  R extends Reduction = Reduction,
  N extends readonly LinearNeed[] | undefined = readonly LinearNeed[] | undefined,
  S extends boolean = boolean,
  W extends boolean = boolean,
> extends LinearBearLossOptions<R, N, S, W>,
    Pick<AsyncBearLossOptions, 'borrow' | 'signal'> {}

const { rowStride: _, gradient: __, out: ___, device, ...inTable } = OPTIONS;

const MEBIBYTE = 2 ** 20;
export const DEFAULT_WORKSPACE_BYTES = 32 * MEBIBYTE;

const needs: rules.Rule = (value, argument) => {
  const named = new Set<LinearNeed>();
  forEachElement(value, argument, 'names', (name, index) => {
    if (NEEDS.includes(name as LinearNeed)) named.add(name as LinearNeed);
    else throw elementError('ERR_BEAR_OPTION_VALUE', argument, expectedNames(name, NEEDS), name, index);
  });
  return named;
};

const OUT_NAMES = new Set(['gradHidden', 'gradWeight', 'gradBias', 'gradAllowedBias'] as const);
const OUT = '{ gradHidden, gradWeight, gradBias, gradAllowedBias }';

const out: rules.Rule = (value, argument) => readMembers(value, argument, OUT, OUT_NAMES);

const ALLOWED_NAMES = new Set(['offsets', 'tokens', 'bitmask', 'bias'] as const);

export interface BiasedAllowed extends CheckedAllowed {
  /** Of the entries of the lists. */
  bias?: Float32Array;
}

/** As the loss takes it, and with a bias beside lists. */
export const biasedAllowed: rules.Rule = (value, argument) => {
  const what = '{ offsets: Int32Array, tokens: Int32Array, bias?: Float32Array } or { bitmask: Uint32Array }';
  const { bias, ...constraint } = readMembers(value, argument, what, ALLOWED_NAMES);
  const checked = inTable.allowed.check(constraint, argument) as CheckedAllowed;
  if (bias === undefined) return checked;
  rules.float32Array(bias, `${argument}.bias`);
  if (checked.bitmask !== undefined) refuse('ERR_BEAR_OPTION_CONFLICT', `${argument}.bias`, 'lists beside it', value);
  return { ...checked, bias };
};

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
  allowed: { ...inTable.allowed, check: biasedAllowed },
  sparseWeightGradient: {
    values: 'boolean',
    check: rules.boolean,
    byDefault: false,
    meaning: 'of listed tokens alone',
  },
  accumulate: { values: 'boolean', check: rules.boolean, byDefault: false, meaning: 'adds to `out`' },
  out: { values: `\`${OUT}\``, check: out, meaning: 'where the gradients are written' },
};

type LossOptions = Omit<CheckedOptions, 'rowStride' | 'gradient' | 'out' | 'device'>;

interface ReadOptions extends LossOptions {
  hiddenSize: number | undefined;
  bias: Float32Array | undefined;
  needs: ReadonlySet<LinearNeed> | undefined;
  workspaceBytes: number;
  accumulate: boolean;
  sparseWeightGradient: boolean;
  out: Record<keyof LinearOutput, unknown> | undefined;
}

export interface CheckedLinearOptions extends ReadOptions {
  /** As the loss takes them, without a gradient. */
  loss: CheckedOptions;
  needs: ReadonlySet<LinearNeed>;
  /** Of the entries of the lists. */
  allowedBias: Float32Array | undefined;
}

const reader = new OptionReader<ReadOptions>(ROWS);

export function checkLinearOptions(options?: object): CheckedLinearOptions {
  const read = reader.read(options);
  const { hiddenSize: _h, bias, needs, workspaceBytes: _w, accumulate: _a, sparseWeightGradient: _s, ...rest } = read;
  const { out: _o, ...loss } = rest;
  const allowedBias = (read.allowed as BiasedAllowed | undefined)?.bias;
  const given: Record<LinearNeed, unknown> = { hidden: true, weight: true, bias, allowedBias };
  for (const need of needs ?? []) {
    if (given[need] !== undefined) continue;
    refuse('ERR_BEAR_OPTION_CONFLICT', 'needs', `no '${need}', as there is none`, [...(needs ?? [])]);
  }
  const checked = {
    ...read,
    needs: needs ?? new Set(NEEDS.filter((name) => given[name] !== undefined)),
    loss: { ...loss, gradient: false, device: device.byDefault } as unknown as CheckedOptions,
    allowedBias,
  };
  checkOutputs(checked);
  return checked;
}

function checkOutputs({ needs, out, accumulate, sparseWeightGradient, allowed }: CheckedLinearOptions): void {
  for (const name of NEEDS) {
    const given = out?.[gradientName(name)];
    if (given === undefined || needs.has(name)) continue;
    refuse('ERR_BEAR_OPTION_CONFLICT', `out.${gradientName(name)}`, `'${name}' in needs`, given);
  }
  if (accumulate && out === undefined) {
    refuse('ERR_BEAR_OPTION_CONFLICT', 'accumulate', 'out beside it', accumulate);
  }
  if (!sparseWeightGradient) return;
  const conflict = (expected: string, received: string): never =>
    fail('ERR_BEAR_OPTION_CONFLICT', 'sparseWeightGradient', expected, received);
  if (allowed?.offsets === undefined) conflict('allowed: { offsets, tokens }', 'no lists');
  if (!needs.has('weight')) conflict("'weight' in needs", 'needs without it');
  if (out?.gradWeight !== undefined) conflict('no out.gradWeight, which is dense', 'out.gradWeight');
  if (accumulate) conflict('accumulate: false', 'accumulate: true');
}

export function gradientName(need: LinearNeed): keyof LinearOutput {
  const names = {
    hidden: 'gradHidden',
    weight: 'gradWeight',
    bias: 'gradBias',
    allowedBias: 'gradAllowedBias',
  } as const;
  return names[need];
}
