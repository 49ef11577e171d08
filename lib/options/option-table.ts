// One row for each option: what it takes, what holds where it is left out, what it does, and how it crosses to the addon.
// The checks read it, docs/options.md repeats it and the addon has the numbers' names in the same order; tests compare.
import { readSignal } from './abort-signal.js';
import {
  type AsyncBearLossOptions,
  DTYPES,
  GRADIENTS,
  PENALTIES,
  type Penalty,
  REDUCTIONS,
  THRESHOLD_GRADIENTS,
} from './options.js';
import * as rules from './rules.js';

export interface OptionRow {
  /** What it takes, as docs/options.md has it. */
  values: string;
  check: rules.Rule;
  byDefault?: unknown;
  /** What holds where it is left out and `byDefault` says nothing. */
  otherwise?: string;
  meaning: string;
  /** The penalties for which it acts; default: all. */
  actsFor?: readonly Penalty[];
  /**
   * The number by which the addon knows the value; undefined crosses as 0. Options without it reach the addon in another
   * way: as arrays, or together with the logits.
   */
  toNumber?: (value: never) => number;
}

const asNumber = (value: number) => value;
const asInteger = (value: number) => value;
const asFlag = (value: boolean) => (value ? 1 : 0);
const positionIn = (names: readonly string[]) => (value: string) => names.indexOf(value);
const listed = (names: readonly unknown[]) =>
  names.map((name) => (typeof name === 'string' ? `\`'${name}'\`` : `\`${name}\``)).join(', ');

const SCALE = { values: '1e-36 to 1e36', check: rules.scale };
const FACTOR = { values: '-1e36 to 1e36', check: rules.factor };
const POSITIVE_INTEGER = { values: 'positive integer', check: rules.positiveInteger };
const WEIGHTS = { values: '`Float32Array` [N]', check: rules.float32Array, otherwise: 'all 1' };
const SWITCH = { values: 'boolean', check: rules.boolean };
const WITHOUT_HINGE = ['softplus', 'log-sigmoid', 'sigmoid', 'reweight'] as const;

export const OPTIONS = {
  vocabSize: { ...POSITIVE_INTEGER, otherwise: 'from the shape', meaning: 'V' },
  rowStride: {
    ...POSITIVE_INTEGER,
    otherwise: 'V',
    meaning: 'elements from one row to the next, if rows are padded',
  },
  dtype: {
    values: listed(DTYPES),
    check: rules.oneOf(DTYPES),
    otherwise: 'from the array',
    meaning: 'dtype of the logits; required for a `Uint16Array`',
  },
  beamWidth: { ...POSITIVE_INTEGER, byDefault: 10, meaning: 'B; may be above V', toNumber: asInteger },
  penalty: {
    values: listed(PENALTIES),
    check: rules.oneOf(PENALTIES),
    byDefault: 'hinge',
    meaning: 'r(delta); see below',
    toNumber: positionIn(PENALTIES),
  },
  lambda: {
    ...FACTOR,
    byDefault: 0.25,
    meaning: 'weight of the penalty',
    actsFor: ['hinge', ...WITHOUT_HINGE],
    toNumber: asNumber,
  },
  xi: {
    ...SCALE,
    byDefault: 1,
    meaning: 'scale of the pruning margin',
    actsFor: WITHOUT_HINGE,
    toNumber: asNumber,
  },
  margin: { ...FACTOR, byDefault: 0, meaning: 'added to the pruning margin', actsFor: ['hinge'], toNumber: asNumber },
  thresholdGradient: {
    values: listed(THRESHOLD_GRADIENTS),
    check: rules.oneOf(THRESHOLD_GRADIENTS),
    byDefault: 'detach',
    meaning: "`'flow'`: the gradient also goes through the threshold token",
    actsFor: ['hinge', 'softplus', 'log-sigmoid', 'sigmoid'],
    toNumber: positionIn(THRESHOLD_GRADIENTS),
  },
  temperature: { ...SCALE, byDefault: 1, meaning: 'divides the logits', toNumber: asNumber },
  softcap: {
    ...SCALE,
    otherwise: 'none',
    meaning: '`c * tanh(logit / c)`, before the temperature',
    toNumber: asNumber,
  },
  labelSmoothing: {
    values: '0 to below 1',
    check: rules.belowOne,
    byDefault: 0,
    meaning: 'share of the cross-entropy that is spread over the allowed tokens',
    toNumber: asNumber,
  },
  zLoss: {
    values: '0 to 1e36',
    check: rules.factorFromZero,
    byDefault: 0,
    meaning: 'adds `zLoss * logSumExp^2`',
    toNumber: asNumber,
  },
  ignoreIndex: {
    values: '32-bit integer',
    check: rules.int32,
    byDefault: -100,
    meaning: 'rows with this target are ignored',
    toNumber: asInteger,
  },
  tokenWeights: { ...WEIGHTS, meaning: 'multiplies the loss and gradient of each row' },
  penaltyWeights: { ...WEIGHTS, meaning: 'multiplies lambda per row', actsFor: ['hinge', ...WITHOUT_HINGE] },
  allowed: {
    values: '`{ offsets, tokens }` or `{ bitmask }`',
    check: rules.allowed(rules.int32Array, rules.uint32Array),
    otherwise: 'every token',
    meaning: 'tokens that may follow, per row',
  },
  reduction: {
    values: listed(REDUCTIONS),
    check: rules.oneOf(REDUCTIONS),
    byDefault: 'mean',
    meaning: "`'none'`: one loss per row; `'weighted-mean'`: as in the authors' scripts",
    toNumber: positionIn(REDUCTIONS),
  },
  normalizer: {
    ...SCALE,
    otherwise: 'counted rows',
    meaning: "divisor of `'mean'`, for gradient accumulation",
    toNumber: asNumber,
  },
  gradOutput: {
    values: '-1e36 to 1e36, or `Float32Array` [N]',
    check: rules.gradOutput,
    byDefault: 1,
    meaning: "upstream gradient; an array only for reduction `'none'`",
  },
  gradient: {
    values: listed(GRADIENTS),
    check: rules.oneOf(GRADIENTS),
    byDefault: true,
    meaning:
      "`'in-place'` overwrites the logits, `'in-place-sparse'` only the entries of allowed lists; `'sparse'` returns those alone",
  },
  rows: { ...SWITCH, byDefault: false, meaning: 'returns the statistics of each row' },
  pruningStatistics: {
    ...SWITCH,
    byDefault: true,
    meaning: '`false` computes no threshold',
    actsFor: ['none'],
    toNumber: asFlag,
  },
  out: {
    values: '`{ gradLogits, rowStride }`',
    check: rules.out,
    otherwise: 'new array',
    meaning: 'where the gradient is written',
  },
  device: {
    values: "`'auto'`, `'cpu'`, `'cuda'`, `'cuda:1'` and so on",
    check: rules.device,
    byDefault: 'auto',
    meaning: "`'auto'` is the CPU; `'cuda'` copies the arrays to a GPU and back",
  },
  threads: {
    ...POSITIVE_INTEGER,
    check: rules.threadCount,
    otherwise: 'all',
    meaning: 'threads of the kernel; results do not depend on it, bit for bit',
  },
  borrow: {
    ...SWITCH,
    byDefault: false,
    meaning: 'uses logits and gradient where they lie, no copies; asynchronous calls only',
  },
  signal: {
    values: '`AbortSignal`',
    check: readSignal,
    otherwise: 'none',
    meaning: 'ends the call early; asynchronous calls only',
  },
} as const satisfies { [Name in keyof Required<AsyncBearLossOptions>]: OptionRow };

type Table = typeof OPTIONS;

/** The options that have a value where they are left out. */
export type DefaultedName = {
  [Name in keyof Table]: Table[Name] extends { byDefault: unknown } ? Name : never;
}[keyof Table];

type Crossing = {
  [Name in keyof Table]: Table[Name] extends { toNumber: unknown } ? Name : never;
}[keyof Table];

/** The values of the options that cross to the addon as numbers. */
export type CrossingOptions = { readonly [Name in Crossing]?: unknown };

const crossing = Object.entries(OPTIONS).flatMap(([name, row]: [string, OptionRow]) =>
  row.toNumber === undefined ? [] : [{ name: name as Crossing, toNumber: row.toNumber as (value: unknown) => number }],
);

/** How each of them becomes one, in the order of native/binding/call_fields.h: plain numbers last. */
export const CROSSING_OPTIONS = [
  ...crossing.filter(({ toNumber }) => toNumber !== asNumber),
  ...crossing.filter(({ toNumber }) => toNumber === asNumber),
];
