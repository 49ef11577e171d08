// What each option takes and refuses. Numbers that come out are the contract's business (test/contract).
import { checkDeviceOptions } from '../../lib/cuda/options';
import { native } from '../../lib/native/backend';
import { OPTIONS, type OptionRow } from '../../lib/options/option-table';
import { DTYPES, GRADIENT_MODES, PENALTIES, REDUCTIONS, THRESHOLD_GRADIENTS } from '../../lib/options/options';
import { errorOf, expectError, expectRefused, runSync, validCall, validLists } from '../loss/refusal';

const NUMBER_EXPECTED = ['5', null, {}, [], true, 5n];

function refusedValues(option: string, values: readonly unknown[], kind: typeof TypeError | typeof RangeError) {
  const code = kind === TypeError ? 'ERR_BEAR_ARGUMENT_TYPE' : 'ERR_BEAR_OPTION_VALUE';
  it.each(values.map((value) => [value]))(`refuses %p with ${code}`, async (value) => {
    const call = validCall();
    await expectRefused({ ...call, options: { ...call.options, [option]: value } }, kind, { code, argument: option });
  });
}

function acceptedValues(option: string, values: readonly unknown[]) {
  it.each(values.map((value) => [value]))('takes %p', (value) => {
    const { logits, targets } = validCall();
    expect(runSync(logits, targets, { [option]: value })).toMatchObject({ countedRows: 3 });
  });
}

const POSITIVE_INTEGER = { right: [1, 5], wrong: [0, -1, 2.5, Number.NaN, Infinity, 2 ** 53] };
// What float32 has room for, with what it is multiplied by.
const FACTOR = { right: [0, -1, 0.25, -1e36, 1e36], wrong: [Number.NaN, Infinity, -Infinity, 1.1e36, -3e38] };
const SCALE = { right: [1e-36, 1e-3, 1, 100, 1e36], wrong: [0, -1, Number.NaN, Infinity, 9e-37, 3e-39, 1.1e36, 5e36] };

describe.each([
  ['beamWidth', { ...POSITIVE_INTEGER, right: [1, 5, 6, Number.MAX_SAFE_INTEGER] }],
  ['vocabSize', { ...POSITIVE_INTEGER, right: [5] }],
  ['threads', { ...POSITIVE_INTEGER, wrong: [...POSITIVE_INTEGER.wrong, 2 ** 31] }],
  ['lambda', FACTOR],
  ['margin', FACTOR],
  ['xi', SCALE],
  ['temperature', SCALE],
  ['softcap', SCALE],
  ['normalizer', SCALE],
  ['labelSmoothing', { right: [0, 0.5, 0.999], wrong: [-0.1, 1, 1.5, Number.NaN] }],
  ['zLoss', { right: [0, 1e-4, 1e36], wrong: [-1, Number.NaN, Infinity, 1.1e36] }],
  ['gradOutput', FACTOR],
  ['ignoreIndex', { right: [-100, -1, 2 ** 31 - 1, -(2 ** 31)], wrong: [0.5, 2 ** 31, -(2 ** 31) - 1, Number.NaN] }],
])('the number %s', (option, { right, wrong }) => {
  acceptedValues(option, right);
  refusedValues(option, wrong, RangeError);
  refusedValues(option, NUMBER_EXPECTED, TypeError);
});

describe('the range of a number', () => {
  it.each([
    ['temperature', 3e-39, 'from 1e-36 to 1e36'],
    ['softcap', 3.5e38, 'from 1e-36 to 1e36'],
    ['lambda', 1e37, 'from -1e36 to 1e36'],
    ['zLoss', 1e37, 'from 0 to 1e36'],
  ])('of %s is in the message', (option, value, range) => {
    const { logits, targets } = validCall();
    expect(errorOf(() => runSync(logits, targets, { [option]: value })).message).toContain(range);
  });
});

describe.each([
  ['penalty', PENALTIES],
  ['reduction', REDUCTIONS],
  ['thresholdGradient', THRESHOLD_GRADIENTS],
  ['dtype', ['float32']],
  ['device', ['auto', 'cpu']],
  ['gradient', [true, false, 'in-place']],
] as const)('the choice %s', (option, right) => {
  acceptedValues(option, right);
  refusedValues(option, ['', 'nonesuch', String(right[0]).toUpperCase()], RangeError);
  refusedValues(option, [null, 1, {}], TypeError);
});

describe('device', () => {
  refusedValues('device', ['cuda:', 'cuda:-1', 'cuda:1.5', 'gpu'], RangeError);
});

describe.each(['rows', 'pruningStatistics'])('the switch %s', (option) => {
  refusedValues(option, [0, 1, 'true', null, {}], TypeError);
});

describe('a misspelled name', () => {
  it.each([
    ['beamWith', 'beamWidth'],
    ['beam_width', 'beamWidth'],
    ['Lambda', 'lambda'],
    ['label_smoothing', 'labelSmoothing'],
    ['ignore_index', 'ignoreIndex'],
    ['temprature', 'temperature'],
    ['softCap', 'softcap'],
    ['reductoin', 'reduction'],
    ['gradOuput', 'gradOutput'],
  ])('%s: %s is suggested', async (wrong, right) => {
    const call = validCall();
    await expectRefused({ ...call, options: { ...call.options, [wrong]: 1 } }, TypeError, {
      code: 'ERR_BEAR_OPTION_UNKNOWN',
      argument: wrong,
      says: `did you mean ${right}?`,
    });
  });

  it('like no option gets the list of all', () => {
    const { logits, targets } = validCall();
    const { message } = errorOf(() => runSync(logits, targets, { xyzzyplugh: 1 }));
    for (const name of Object.keys(OPTIONS)) expect(message).toContain(name);
  });

  it('is refused though its value is undefined', () => {
    const { logits, targets } = validCall();
    expect(errorOf(() => runSync(logits, targets, { beamWith: undefined })).code).toBe('ERR_BEAR_OPTION_UNKNOWN');
  });

  it.each([
    ['out', { gradLogit: new Float32Array(15) }, 'out.gradLogit', 'gradLogits'],
    ['allowed', { offset: Int32Array.of(0), tokens: Int32Array.of(0) }, 'allowed.offset', 'offsets'],
  ])('inside %s is found as well', async (option, value, argument, right) => {
    const { logits, targets } = validCall();
    await expectRefused({ logits, targets, options: { [option]: value } }, TypeError, {
      code: 'ERR_BEAR_OPTION_UNKNOWN',
      argument,
      says: `did you mean ${right}?`,
    });
  });

  it('of a value is answered with the nearest one', () => {
    const { logits, targets } = validCall();
    const { message } = errorOf(() => runSync(logits, targets, { penalty: 'logsigmoid' }));
    expect(message).toContain("did you mean 'log-sigmoid'?");
  });
});

describe('options', () => {
  it.each([[null], ['hinge'], [5], [[]], [new Float32Array(2)]])('refuses %p as a whole', async (options) => {
    const { logits, targets } = validCall();
    const call = { logits, targets, options: options as unknown as Record<string, unknown> };
    await expectRefused(call, TypeError, { code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'options' });
  });

  it('may be left out, or undefined, each by itself or all', () => {
    const { logits, targets } = validCall();
    const plain = runSync(logits, targets);
    const undefinedOptions = Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, undefined]));
    expect(runSync(logits, targets, undefined)).toEqual(plain);
    expect(runSync(logits, targets, {})).toEqual(plain);
    expect(runSync(logits, targets, undefinedOptions)).toEqual(plain);
  });

  it('may be given their defaults', () => {
    const { logits, targets } = validCall();
    const defaults = Object.entries(OPTIONS).map(([name, { byDefault }]: [string, OptionRow]) => [name, byDefault]);
    expect(runSync(logits, targets, Object.fromEntries(defaults))).toEqual(runSync(logits, targets));
  });
});

describe('options that exclude each other', () => {
  it.each([
    ['normalizer', { normalizer: 2, reduction: 'weighted-mean' }],
    ['normalizer', { normalizer: 2, reduction: 'sum' }],
    ['normalizer', { normalizer: 2, reduction: 'none' }],
    ['gradOutput', { gradOutput: new Float32Array(3), reduction: 'mean' }],
    ['gradient', { gradient: 'in-place-sparse' }],
    ['gradient', { gradient: 'in-place-sparse', allowed: { bitmask: Uint32Array.of(31, 31, 31) } }],
    ['gradient', { gradient: 'sparse' }],
    ['out', { gradient: 'sparse', allowed: validLists(), out: { rowStride: 7 } }],
    ['pruningStatistics', { pruningStatistics: false }],
    ['out', { gradient: false, out: { gradLogits: new Float32Array(15) } }],
    ['out', { gradient: 'in-place', out: { gradLogits: new Float32Array(15) } }],
    ['out', { gradient: 'in-place', out: { rowStride: 7 } }],
    ['allowed', { allowed: { ...validLists(), bitmask: Uint32Array.of(31, 31, 31) } }],
  ])('%s: %p', async (argument, options) => {
    const { logits, targets } = validCall();
    await expectRefused({ logits, targets, options }, TypeError, { code: 'ERR_BEAR_OPTION_CONFLICT', argument });
  });

  it('gradient: a sparse one of logits on a device', () => {
    const error = errorOf(() => checkDeviceOptions({ allowed: validLists(), gradient: 'sparse' }));
    expectError(error, TypeError, { code: 'ERR_BEAR_OPTION_CONFLICT', argument: 'gradient', says: 'on a device' });
  });

  it.each([
    ['signal', { signal: new AbortController().signal }],
    ['borrow', { borrow: true }],
  ])('%s: in a synchronous call', (argument, options) => {
    const { logits, targets } = validCall();
    const error = errorOf(() => runSync(logits, targets, options));
    expectError(error, TypeError, { code: 'ERR_BEAR_OPTION_CONFLICT', argument });
    expect(error.message).toContain('an asynchronous call');
  });
});

describe('signal', () => {
  refusedValues('signal', [{}, null, 'abort', new AbortController()], TypeError);
});

describe.each(['tokenWeights', 'penaltyWeights', 'gradOutput'])('the array %s', (option) => {
  const options = (value: unknown) => ({ reduction: 'none', [option]: value });
  const { logits, targets } = validCall();

  it.each([[new Float64Array(3)], [[1, 1, 1]], [Int32Array.of(1, 1, 1)], ['111']])('refuses %p', async (value) => {
    await expectRefused({ logits, targets, options: options(value) }, TypeError, {
      code: 'ERR_BEAR_ARGUMENT_TYPE',
      argument: option,
      says: 'Float32Array',
    });
  });

  it.each([2, 4, 0])('refuses %i numbers for 3 rows', async (length) => {
    await expectRefused({ logits, targets, options: options(new Float32Array(length)) }, RangeError, {
      code: 'ERR_BEAR_SHAPE',
      argument: option,
      says: /N = 3 elements/,
    });
  });

  it('takes one number a row', () => {
    expect(runSync(logits, targets, options(Float32Array.of(1, 1, 1)))).toEqual(
      runSync(logits, targets, { reduction: 'none' }),
    );
  });
});

describe('the names that cross to the addon by their position', () => {
  it('are in the same order on both sides', () => {
    const ours = {
      dtype: DTYPES,
      penalty: PENALTIES,
      reduction: REDUCTIONS,
      thresholdGradient: THRESHOLD_GRADIENTS,
      gradient: GRADIENT_MODES,
    };
    const theirs = Object.fromEntries(
      Object.entries(native().optionNames).map(([option, names]) => [option, Array.from(names)]),
    );
    expect(theirs).toEqual(ours);
  });
});
