// One case for every code that the documentation lists. The other files go through the arguments one by one.
import { beamSearch, hitRatioAt, TokenTrie } from '../../lib/decoding/index';
import { bearPartials, capabilities, mergeBearPartials } from '../../lib/index';
import { BEAR_ERROR_CODES, type BearErrorCode } from '../../lib/options/errors';
import { refuseParts } from '../../lib/wasm/native-only';
import { type AnyCall, expectRefused, type Refusal, transfer, validCall, validLists } from '../loss/refusal';
import { DEVICE_ERROR_CODES } from '../support/device-error-codes';

interface Case extends Omit<Refusal, 'code'> {
  kind: typeof TypeError | typeof RangeError;
  call: () => AnyCall;
}

function callWith(options: Record<string, unknown>): AnyCall {
  const call = validCall();
  return { ...call, options: { ...call.options, ...options } };
}

// Needs devices, and has its cases where they are emulated: test/cuda/errors.test.ts.
type DeviceErrorCode = (typeof DEVICE_ERROR_CODES)[number];

/** test/wasm has their case. */
const WASM_ERROR_CODES = ['ERR_BEAR_WASM_OUT_OF_MEMORY'] as const;

const onFirstDevice: Case = {
  kind: RangeError,
  call: () => callWith({ device: 'cuda' }),
  argument: 'device',
  says: 'cuda:0',
};

// What decoding alone throws; its own tests go through the arguments.
const trie = () => TokenTrie.fromSequences([[1], [2]]);
const notFinite = () => ({
  logits: new Float32Array(2).fill(Number.NaN),
  layout: 'allowed' as const,
  state: undefined,
});
const DECODING_CASES = {
  ERR_BEAR_TOKEN: () => trie().child(0, -1),
  ERR_BEAR_TRIE_NODE: () => trie().isLeaf(-1),
  ERR_BEAR_TRIE_FORMAT: () => TokenTrie.load(Uint8Array.of(1, 2, 3)),
  ERR_BEAR_ITEM_REPEATED: () => trie().insert([[3]], [0]),
  ERR_BEAR_ITEM_UNKNOWN: () => trie().remove([7]),
  ERR_BEAR_SEQUENCE_PREFIX: () => TokenTrie.fromSequences([[1], [1, 2]]),
  ERR_BEAR_NOT_FINITE: () => beamSearch({ step: notFinite, trie: trie(), users: 1 }),
  ERR_BEAR_RANK: () => hitRatioAt([-2], 1),
} satisfies Partial<Record<BearErrorCode, () => unknown>>;

// What parts of a vocabulary alone throw; test/parallel goes through the arguments.
const halfOf = (firstToken: number) =>
  bearPartials({ data: new Float32Array(4), shape: [1, 4] }, [1], { firstToken, vocabSize: 8 });
const PARALLEL_CASES = {
  ERR_BEAR_NATIVE_ONLY: () => refuseParts(),
  ERR_BEAR_PARTS_COVERAGE: () => mergeBearPartials([halfOf(0)], { vocabSize: 8 }),
  ERR_BEAR_PARTS_MISMATCH: () => mergeBearPartials([halfOf(0), halfOf(4)], { vocabSize: 8, beamWidth: 3 }),
  ERR_BEAR_PARTIALS: () => mergeBearPartials([{ ...halfOf(0), counts: Int32Array.of(1) }, halfOf(4)], { vocabSize: 8 }),
} satisfies Partial<Record<BearErrorCode, () => unknown>>;

type CaseElsewhere =
  | DeviceErrorCode
  | (typeof WASM_ERROR_CODES)[number]
  | keyof typeof DECODING_CASES
  | keyof typeof PARALLEL_CASES;

const CASES: Record<Exclude<BearErrorCode, CaseElsewhere>, Case> = {
  ERR_BEAR_ARGUMENT_TYPE: {
    kind: TypeError,
    call: () => ({ ...validCall(), logits: new Float64Array(15) }),
    argument: 'logits',
    says: 'Float64Array(15)',
  },
  ERR_BEAR_DTYPE: {
    kind: TypeError,
    call: () => ({ logits: new Uint16Array(15), targets: [1, 2, 3] }),
    argument: 'dtype',
    says: /'float16' or 'bfloat16'.*undefined/,
  },
  ERR_BEAR_SHAPE: {
    kind: RangeError,
    call: () => callWith({ vocabSize: 6 }),
    argument: 'logits',
    says: /3 rows of 6: 18 elements.*Float32Array\(15\)/,
  },
  ERR_BEAR_OPTION_UNKNOWN: {
    kind: TypeError,
    call: () => callWith({ beamWith: 4 }),
    argument: 'beamWith',
    says: 'did you mean beamWidth?',
  },
  ERR_BEAR_OPTION_VALUE: {
    kind: RangeError,
    call: () => callWith({ lambda: Number.NaN }),
    argument: 'lambda',
    says: 'NaN',
  },
  ERR_BEAR_OPTION_CONFLICT: {
    kind: TypeError,
    call: () => callWith({ reduction: 'weighted-mean', normalizer: 3 }),
    argument: 'normalizer',
    says: "reduction 'weighted-mean'",
  },
  ERR_BEAR_TARGET_OUT_OF_RANGE: {
    kind: RangeError,
    call: () => ({ ...validCall(), targets: Int32Array.of(1, 5, -1) }),
    argument: 'targets',
    row: 1,
    says: /from 0 to 4, or ignoreIndex \(-100\), received 5/,
  },
  ERR_BEAR_TARGET_NOT_ALLOWED: {
    kind: RangeError,
    call: () => ({ ...callWith({ allowed: validLists() }), targets: Int32Array.of(1, 4, 1) }),
    argument: 'targets',
    row: 2,
    says: 'received 1',
  },
  ERR_BEAR_ALLOWED_OFFSETS: {
    kind: RangeError,
    call: () => callWith({ allowed: { ...validLists(), offsets: Int32Array.of(0, 4, 2, 7) } }),
    argument: 'allowed.offsets',
    row: 1,
    says: 'received 2',
  },
  ERR_BEAR_ALLOWED_TOKENS_ORDER: {
    kind: RangeError,
    call: () => callWith({ allowed: { ...validLists(), tokens: Int32Array.of(0, 1, 4, 3, 0, 2, 4) } }),
    argument: 'allowed.tokens',
    row: 1,
    says: 'received 3',
  },
  ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE: {
    kind: RangeError,
    call: () => callWith({ allowed: { ...validLists(), tokens: Int32Array.of(0, 1, 3, 4, 0, 2, 5) } }),
    argument: 'allowed.tokens',
    row: 2,
    says: /from 0 to 4, received 5/,
  },
  ERR_BEAR_ALLOWED_ROW_EMPTY: {
    kind: RangeError,
    call: () =>
      callWith({
        allowed: { ...validLists(), offsets: Int32Array.of(0, 2, 2, 7), tokens: Int32Array.of(0, 1, 0, 1, 2, 3, 4) },
      }),
    argument: 'allowed',
    row: 1,
  },
  ERR_BEAR_OUT_TOO_SMALL: {
    kind: RangeError,
    call: () => callWith({ out: { gradLogits: new Float32Array(14) } }),
    argument: 'out.gradLogits',
    says: /at least 15 elements.*Float32Array\(14\)/,
  },
  ERR_BEAR_OUT_OVERLAP: {
    kind: RangeError,
    call: () => {
      const memory = new Float32Array(16);
      return { ...callWith({ out: { gradLogits: memory.subarray(1) } }), logits: memory.subarray(0, 15) };
    },
    argument: 'out.gradLogits',
    says: 'overlaps logits',
  },
  ERR_BEAR_BUFFER_DETACHED: {
    kind: TypeError,
    call: () => ({ ...validCall(), logits: transfer(new Float32Array(15)) }),
    argument: 'logits',
    says: 'transferred',
  },
  ERR_BEAR_CUDA_NOT_BUILT: { ...onFirstDevice, says: /nvcc|the WebAssembly module/ },
  ERR_BEAR_CUDA_UNAVAILABLE: { ...onFirstDevice, says: 'install' },
  ERR_BEAR_OUT_OF_MEMORY: {
    kind: RangeError,
    call: () => callWith({ out: { rowStride: 2 ** 48 } }),
    argument: 'gradLogits',
    says: `${3 * 2 ** 48} elements`,
  },
};

describe('every error code', () => {
  it('has a case here', () => {
    const codes = [
      ...Object.keys(CASES),
      ...Object.keys(DECODING_CASES),
      ...Object.keys(PARALLEL_CASES),
      ...DEVICE_ERROR_CODES,
      ...WASM_ERROR_CODES,
    ];
    expect(codes.sort()).toEqual([...BEAR_ERROR_CODES].sort());
  });

  it.each(Object.entries<() => unknown>({ ...DECODING_CASES, ...PARALLEL_CASES }))(
    '%s is thrown elsewhere',
    async (code, call) => {
      const error = await Promise.resolve()
        .then(call)
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({ code, argument: expect.any(String), expected: expect.any(String) });
    },
  );

  // The one cannot happen where the other does; test/cuda/errors.test.ts takes the driver away.
  const { built, reason } = capabilities().cuda;
  const isPossible: Partial<Record<string, boolean>> = {
    ERR_BEAR_CUDA_NOT_BUILT: !built,
    ERR_BEAR_CUDA_UNAVAILABLE: reason?.includes('no NVIDIA driver') ?? false,
  };
  const cases = Object.entries(CASES);
  it.skip.each(cases.filter(([code]) => isPossible[code] === false))('%s, which this machine cannot cause', () => {});
  it.each(cases.filter(([code]) => isPossible[code] ?? true))('%s', async (code, { kind, call, ...refusal }) => {
    await expectRefused(call(), kind, { code: code as BearErrorCode, ...refusal });
  });
});
