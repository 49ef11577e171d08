// Checks the values of all options, each by itself and against one another. Lengths of arrays are checked later, when N
// and V are known.
import { readSignal } from './abort-signal.js';
import { isArrayOf } from './arrays.js';
import { CudaStream } from './cuda-stream.js';
import { isDeviceTensor, type TensorDType } from './device-tensor.js';
import { bearError, describe, refuse } from './errors.js';
import {
  type AnyBearLossOptions,
  type CheckedOptions,
  DEFAULTS,
  DTYPES,
  PENALTIES,
  REDUCTIONS,
  THRESHOLD_GRADIENTS,
} from './options.js';
import { isArray, readingError } from './reading.js';
import { expectedNames, nearestName } from './suggest.js';

/**
 * Throws unless the option called `argument` takes the value, which is never undefined. Returns it; for an object what its
 * members are, each read once.
 */
type Rule = (value: unknown, argument: string) => unknown;

/** A number that `accepts` takes. Other functions have rules of this form for options of their own. */
export function number(expected: string, accepts: (value: number) => boolean) {
  return (value: unknown, argument: string): number => {
    if (typeof value !== 'number') refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, value);
    if (!accepts(value)) refuse('ERR_BEAR_OPTION_VALUE', argument, expected, value);
    return value;
  };
}

const isPositiveInteger = (value: number) => Number.isSafeInteger(value) && value > 0;

// What a factor of float32 numbers may be: its inverse and its product with log2(e) or with the 126 binary orders of a
// normal float are float32 numbers too (docs/math.md, "Numbers").
const [SMALLEST, LARGEST] = [1e-36, 1e36];
const scale = number('a number from 1e-36 to 1e36', (value) => value >= SMALLEST && value <= LARGEST);
const factor = number('a number from -1e36 to 1e36', (value) => Math.abs(value) <= LARGEST);
const factorFromZero = number('a number from 0 to 1e36', (value) => value >= 0 && value <= LARGEST);
export const positiveInteger = number('a positive integer', isPositiveInteger);
const int32 = number('a 32-bit integer', (value) => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31);
const belowOne = number('a number from 0 to below 1', (value) => value >= 0 && value < 1);
const threadCount = number('a positive integer', (value) => isPositiveInteger(value) && value < 2 ** 31);

const boolean: Rule = (value, argument) => {
  if (typeof value !== 'boolean') refuse('ERR_BEAR_ARGUMENT_TYPE', argument, 'true or false', value);
  return value;
};

function oneOf(names: readonly unknown[]): Rule {
  const strings = names.filter((name) => typeof name === 'string');
  const others = names.filter((name) => typeof name !== 'string');
  return (value, argument) => {
    if (names.includes(value)) return value;
    const expected = [...others, expectedNames(value, strings)].join(', ');
    return refuse(
      typeof value === 'string' ? 'ERR_BEAR_OPTION_VALUE' : 'ERR_BEAR_ARGUMENT_TYPE',
      argument,
      expected,
      value,
    );
  };
}

// On which device a tensor is, and whether the call can use it there, is checked where the logits are known.
function arrayOrTensor(array: 'Float32Array' | 'Int32Array' | 'Uint32Array', dtype: TensorDType): Rule {
  return (value, argument) => {
    if (isArrayOf(value, array)) return value;
    const article = array === 'Int32Array' ? 'an' : 'a';
    if (!isDeviceTensor(value)) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, `${article} ${array}`, value);
    if (value.dtype !== dtype) refuse('ERR_BEAR_DTYPE', argument, `a tensor of ${dtype}`, value.dtype);
    return value;
  };
}

const float32Array = arrayOrTensor('Float32Array', 'float32');
const int32Array = arrayOrTensor('Int32Array', 'int32');
const uint32Array = arrayOrTensor('Uint32Array', 'uint32');

const finiteOrArray = number(
  'a number from -1e36 to 1e36, or a Float32Array [N] for reduction "none"',
  (value) => Math.abs(value) <= LARGEST,
);

const gradOutput: Rule = (value, argument) => {
  if (isDeviceTensor(value)) return float32Array(value, argument);
  return isArrayOf(value, 'Float32Array') ? value : finiteOrArray(value, argument);
};

const device: Rule = (value, argument) => {
  if (value === 'cpu' || value === 'auto') return value;
  const expected = "'auto', 'cpu', 'cuda' or 'cuda:' and a device's number";
  if (typeof value !== 'string') refuse('ERR_BEAR_ARGUMENT_TYPE', argument, expected, value);
  if (!/^cuda(:\d{1,4})?$/.test(value)) refuse('ERR_BEAR_OPTION_VALUE', argument, expected, value);
  return value;
};

/** Throws unless the value is an object that has only these members; returns it. Errors call a member `prefix` + name. */
export function checkMembers(
  value: unknown,
  argument: string,
  what: string,
  names: ReadonlySet<string>,
  prefix = `${argument}.`,
): object {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || isArray(value)) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', argument, what, value);
  }
  for (const name of namesOf(value, argument)) {
    if (!names.has(name)) throw unknownMember(name, `${prefix}${name}`, [...names]);
  }
  return value;
}

function namesOf(value: object, argument: string): string[] {
  try {
    return Object.keys(value);
  } catch (error) {
    throw readingError(error, value, argument);
  }
}

/** `read` of an object that has only these members. */
export function readMembers<Members>(
  value: unknown,
  argument: string,
  what: string,
  names: ReadonlySet<string>,
  read: (given: Record<string, unknown>) => Members,
  prefix?: string,
): Members {
  const given = checkMembers(value, argument, what, names, prefix);
  try {
    return read(given as Record<string, unknown>);
  } catch (error) {
    throw readingError(error, given, argument);
  }
}

function unknownMember(name: string, argument: string, names: readonly string[]): Error {
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `: ${names.join(', ')}` : ` (did you mean ${nearest}?)`;
  return bearError('ERR_BEAR_OPTION_UNKNOWN', {
    argument,
    expected: `a name that exists${hint}`,
    received: describe(name),
  });
}

const ALLOWED_NAMES = new Set(['offsets', 'tokens', 'bitmask']);
const OUT_NAMES = new Set(['gradLogits', 'rowStride']);

const allowed: Rule = (value, argument) => {
  const what = '{ offsets: Int32Array, tokens: Int32Array } or { bitmask: Uint32Array }';
  const { offsets, tokens, bitmask } = readMembers(value, argument, what, ALLOWED_NAMES, (given) => ({
    offsets: given.offsets,
    tokens: given.tokens,
    bitmask: given.bitmask,
  }));
  if (bitmask !== undefined) {
    if (offsets !== undefined || tokens !== undefined) {
      refuse('ERR_BEAR_OPTION_CONFLICT', argument, 'either lists or a bitmask', value);
    }
    return { offsets, tokens, bitmask: uint32Array(bitmask, `${argument}.bitmask`) };
  }
  return {
    offsets: int32Array(offsets, `${argument}.offsets`),
    tokens: int32Array(tokens, `${argument}.tokens`),
    bitmask,
  };
};

const out: Rule = (value, argument) => {
  const members = readMembers(value, argument, '{ gradLogits, rowStride }', OUT_NAMES, (given) => ({
    gradLogits: given.gradLogits,
    rowStride: given.rowStride,
  }));
  if (members.rowStride !== undefined) positiveInteger(members.rowStride, `${argument}.rowStride`);
  return members;
};

const stream: Rule = (value, argument) => {
  if (!CudaStream.isCudaStream(value)) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, 'a CudaStream', value);
  return value;
};

const RULES: { [Name in keyof Required<AnyBearLossOptions>]: Rule } = {
  vocabSize: positiveInteger,
  rowStride: positiveInteger,
  dtype: oneOf(DTYPES),
  beamWidth: positiveInteger,
  penalty: oneOf(PENALTIES),
  lambda: factor,
  xi: scale,
  margin: factor,
  thresholdGradient: oneOf(THRESHOLD_GRADIENTS),
  temperature: scale,
  softcap: scale,
  labelSmoothing: belowOne,
  zLoss: factorFromZero,
  ignoreIndex: int32,
  tokenWeights: float32Array,
  penaltyWeights: float32Array,
  allowed,
  reduction: oneOf(REDUCTIONS),
  normalizer: scale,
  gradOutput,
  gradient: oneOf([true, false, 'in-place', 'in-place-sparse']),
  rows: boolean,
  pruningStatistics: boolean,
  out,
  device,
  threads: threadCount,
  signal: readSignal,
  stream,
};

export const OPTION_NAMES: ReadonlySet<string> = new Set(Object.keys(RULES));

function checkNames(options: AnyBearLossOptions): AnyBearLossOptions {
  return checkMembers(options, 'options', 'an object of options', OPTION_NAMES, '');
}

/** The value of an option as the loss takes it, for other functions that have an option of the same name. */
export function checkOption<Name extends keyof AnyBearLossOptions>(name: Name, value: unknown): CheckedOptions[Name] {
  const byDefault = (DEFAULTS as Partial<Record<string, unknown>>)[name];
  return checkedValue(value, name, RULES[name], byDefault) as CheckedOptions[Name];
}

function checkedValue(value: unknown, name: string, rule: Rule, byDefault: unknown): unknown {
  if (value === undefined) return byDefault;
  return rule(value, name);
}

/** Fills in the defaults of `options` after checking every value. Undefined values count as not given. */
export function checkOptions(options: AnyBearLossOptions = {}): CheckedOptions {
  const given = checkNames(options);
  try {
    const checked = checkEach(given);
    checkTogether(checked);
    return checked;
  } catch (error) {
    throw readingError(error, given, 'options');
  }
}

function checkEach(given: AnyBearLossOptions): CheckedOptions {
  // Name by name: a loop over the table makes an object of no fixed form, which cost more than all other checks.
  const values: Record<keyof AnyBearLossOptions, unknown> = {
    vocabSize: checkedValue(given.vocabSize, 'vocabSize', RULES.vocabSize, undefined),
    rowStride: checkedValue(given.rowStride, 'rowStride', RULES.rowStride, undefined),
    dtype: checkedValue(given.dtype, 'dtype', RULES.dtype, undefined),
    beamWidth: checkedValue(given.beamWidth, 'beamWidth', RULES.beamWidth, DEFAULTS.beamWidth),
    penalty: checkedValue(given.penalty, 'penalty', RULES.penalty, DEFAULTS.penalty),
    lambda: checkedValue(given.lambda, 'lambda', RULES.lambda, DEFAULTS.lambda),
    xi: checkedValue(given.xi, 'xi', RULES.xi, DEFAULTS.xi),
    margin: checkedValue(given.margin, 'margin', RULES.margin, DEFAULTS.margin),
    thresholdGradient: checkedValue(
      given.thresholdGradient,
      'thresholdGradient',
      RULES.thresholdGradient,
      DEFAULTS.thresholdGradient,
    ),
    temperature: checkedValue(given.temperature, 'temperature', RULES.temperature, DEFAULTS.temperature),
    softcap: checkedValue(given.softcap, 'softcap', RULES.softcap, undefined),
    labelSmoothing: checkedValue(given.labelSmoothing, 'labelSmoothing', RULES.labelSmoothing, DEFAULTS.labelSmoothing),
    zLoss: checkedValue(given.zLoss, 'zLoss', RULES.zLoss, DEFAULTS.zLoss),
    ignoreIndex: checkedValue(given.ignoreIndex, 'ignoreIndex', RULES.ignoreIndex, DEFAULTS.ignoreIndex),
    tokenWeights: checkedValue(given.tokenWeights, 'tokenWeights', RULES.tokenWeights, undefined),
    penaltyWeights: checkedValue(given.penaltyWeights, 'penaltyWeights', RULES.penaltyWeights, undefined),
    allowed: checkedValue(given.allowed, 'allowed', RULES.allowed, undefined),
    reduction: checkedValue(given.reduction, 'reduction', RULES.reduction, DEFAULTS.reduction),
    normalizer: checkedValue(given.normalizer, 'normalizer', RULES.normalizer, undefined),
    gradOutput: checkedValue(given.gradOutput, 'gradOutput', RULES.gradOutput, DEFAULTS.gradOutput),
    gradient: checkedValue(given.gradient, 'gradient', RULES.gradient, DEFAULTS.gradient),
    rows: checkedValue(given.rows, 'rows', RULES.rows, DEFAULTS.rows),
    pruningStatistics: checkedValue(
      given.pruningStatistics,
      'pruningStatistics',
      RULES.pruningStatistics,
      DEFAULTS.pruningStatistics,
    ),
    out: checkedValue(given.out, 'out', RULES.out, undefined),
    device: checkedValue(given.device, 'device', RULES.device, DEFAULTS.device),
    threads: checkedValue(given.threads, 'threads', RULES.threads, undefined),
    signal: checkedValue(given.signal, 'signal', RULES.signal, undefined),
    stream: checkedValue(given.stream, 'stream', RULES.stream, undefined),
  };
  return values as CheckedOptions;
}

function checkTogether(options: CheckedOptions): void {
  const conflict = (argument: string, expected: string, received: string): never => {
    throw bearError('ERR_BEAR_OPTION_CONFLICT', { argument, expected, received });
  };
  const { reduction, gradient, allowed, penalty } = options;
  if (options.normalizer !== undefined && reduction !== 'mean') {
    conflict('normalizer', "reduction 'mean'", `reduction '${reduction}'`);
  }
  if (typeof options.gradOutput !== 'number' && reduction !== 'none') {
    conflict('gradOutput', `a number for reduction '${reduction}'`, describe(options.gradOutput));
  }
  if (gradient === 'in-place-sparse' && (allowed === undefined || allowed.bitmask !== undefined)) {
    conflict(
      'gradient',
      "allowed: { offsets, tokens } with 'in-place-sparse'",
      allowed ? 'a bitmask' : 'no constraint',
    );
  }
  if (!options.pruningStatistics && penalty !== 'none') {
    conflict('pruningStatistics', "penalty 'none' where it is false", `penalty '${penalty}'`);
  }
  const { out } = options;
  if (gradient !== true && (out?.gradLogits !== undefined || out?.rowStride !== undefined)) {
    conflict('out', 'gradient: true', `gradient: ${describe(gradient)}`);
  }
}
