import { type TopTokensOptions, topTokens } from '../../lib/index';
import { errorOf, expectError, type Refusal, SHARED_TWICE } from './refusal';

const anyTopTokens = topTokens as unknown as (logits: unknown, beamWidth: unknown, options?: unknown) => unknown;
const row = () => Float32Array.of(1, 3, 2, 0);
const options: TopTokensOptions = { vocabSize: 4 };
const lists = (offsets: number[], tokens: number[]) => ({
  offsets: Int32Array.from(offsets),
  tokens: Int32Array.from(tokens),
});

describe('topTokens', () => {
  it('takes a flat array with vocabSize, and logits with a shape', () => {
    const flat = topTokens(row(), 2, options);
    expect(Array.from(flat.tokens)).toEqual([1, 2]);
    expect(flat.beamWidth).toBe(2);
    expect(flat.logSumExp).toHaveLength(1);
    expect(topTokens({ data: row(), shape: [1, 1, 4] }, 2)).toEqual(flat);
    expect(Array.from(topTokens({ data: row(), shape: [2, 2] }, 1).tokens)).toEqual([1, 0]);
    expect(topTokens(new Float32Array(0), 3, options).tokens).toHaveLength(0);
  });

  it('reads padded rows, whose last may end after V', () => {
    const data = Float32Array.of(1, 2, 99, 4, 3);
    expect(Array.from(topTokens(data, 1, { vocabSize: 2, rowStride: 3 }).tokens)).toEqual([1, 0]);
  });

  it('fills up with -1 where there are fewer tokens than the beam is wide', () => {
    const { tokens, logProbabilities } = topTokens(row(), 3, { ...options, allowed: lists([0, 1], [2]) });
    expect(Array.from(tokens)).toEqual([2, -1, -1]);
    expect(Array.from(logProbabilities)).toEqual([0, -Infinity, -Infinity]);
  });

  it('answers a row that allows nothing with nothing', () => {
    const { tokens, logProbabilities, logSumExp } = topTokens(row(), 2, { ...options, allowed: lists([0, 0], []) });
    expect(Array.from(tokens)).toEqual([-1, -1]);
    expect(Array.from(logProbabilities)).toEqual([-Infinity, -Infinity]);
    expect(logSumExp[0]).toBe(-Infinity);
  });

  it('writes to the arrays of the caller, and leaves the rest of them alone', () => {
    const out = {
      tokens: new Int32Array(3).fill(77),
      logProbabilities: new Float32Array(3).fill(77),
      logSumExp: new Float32Array(2).fill(77),
    };
    const result = topTokens(row(), 2, { ...options, out });
    expect(result.tokens).toBe(out.tokens);
    expect(result.logProbabilities).toBe(out.logProbabilities);
    expect(result.logSumExp).toBe(out.logSumExp);
    expect(Array.from(out.tokens)).toEqual([1, 2, 77]);
    expect([out.logProbabilities[2], out.logSumExp[1]]).toEqual([77, 77]);
  });

  it.each(SHARED_TWICE)('finds outputs on the logits behind two objects of one shared memory, %s', async (_, twice) => {
    const [shared, twin] = await twice(64);
    const logits = new Float32Array(shared, 0, 4);
    logits.set(row());
    const out = { logProbabilities: new Float32Array(twin, 8, 2) };
    const error = errorOf(() => anyTopTokens(logits, 2, { ...options, out }));
    expectError(error, RangeError, { code: 'ERR_BEAR_OUT_OVERLAP', argument: 'out' });
    expect(Array.from(logits)).toEqual(Array.from(row()));
  });

  it('leaves its inputs alone', () => {
    const logits = row();
    const allowed = lists([0, 2], [0, 3]);
    topTokens(logits, 2, { ...options, allowed });
    expect([logits, allowed]).toEqual([row(), lists([0, 2], [0, 3])]);
  });

  const shared = new ArrayBuffer(64);
  const refusals: [string, unknown[], typeof TypeError | typeof RangeError, Refusal][] = [
    ['logits of doubles', [new Float64Array(4), 1, options], TypeError, refused('ARGUMENT_TYPE', 'logits')],
    ['no logits', [undefined, 1, options], TypeError, refused('ARGUMENT_TYPE', 'logits')],
    ['a flat array without vocabSize', [row(), 1], RangeError, refused('SHAPE', 'vocabSize')],
    ['half a row', [row(), 1, { vocabSize: 3 }], RangeError, refused('SHAPE', 'logits')],
    ['a stride below V', [row(), 1, { ...options, rowStride: 3 }], RangeError, refused('SHAPE', 'rowStride')],
    ['16-bit logits without a dtype', [new Uint16Array(4), 1, options], TypeError, refused('DTYPE', 'dtype')],
    ['no beam width', [row(), undefined, options], TypeError, refused('ARGUMENT_TYPE', 'beamWidth')],
    ['a beam width of 0', [row(), 0, options], RangeError, refused('OPTION_VALUE', 'beamWidth')],
    ['half a beam', [row(), 1.5, options], RangeError, refused('OPTION_VALUE', 'beamWidth')],
    ['a beam that no memory holds', [row(), 2 ** 52, options], RangeError, refused('OUT_OF_MEMORY', 'tokens')],
    ['an option of the loss', [row(), 1, { ...options, xi: 1 }], TypeError, refused('OPTION_UNKNOWN', 'xi')],
    [
      'a temperature of 0',
      [row(), 1, { ...options, temperature: 0 }],
      RangeError,
      refused('OPTION_VALUE', 'temperature'),
    ],
    ['an infinite cap', [row(), 1, { ...options, softcap: Infinity }], RangeError, refused('OPTION_VALUE', 'softcap')],
    ['no threads', [row(), 1, { ...options, threads: 0 }], RangeError, refused('OPTION_VALUE', 'threads')],
    ['another layout', [row(), 1, { ...options, layout: 'alowed' }], RangeError, refused('OPTION_VALUE', 'layout')],
    [
      'a layout that is no string',
      [row(), 1, { ...options, layout: 1 }],
      TypeError,
      refused('ARGUMENT_TYPE', 'layout'),
    ],
    [
      'too many offsets',
      [row(), 1, { ...options, allowed: lists([0, 1, 1], [0]) }],
      RangeError,
      refused('SHAPE', 'allowed.offsets'),
    ],
    [
      'offsets that fall',
      [new Float32Array(8), 1, { ...options, allowed: lists([0, 2, 1], [0]) }],
      RangeError,
      refused('ALLOWED_OFFSETS', 'allowed.offsets', 0),
    ],
    [
      'unsorted ids',
      [row(), 1, { ...options, allowed: lists([0, 2], [2, 1]) }],
      RangeError,
      refused('ALLOWED_TOKENS_ORDER', 'allowed.tokens', 0),
    ],
    [
      'an id that is no token',
      [row(), 1, { ...options, allowed: lists([0, 2], [2, 4]) }],
      RangeError,
      refused('ALLOWED_TOKEN_OUT_OF_RANGE', 'allowed.tokens', 0),
    ],
    [
      'a bitmask of another length',
      [row(), 1, { ...options, allowed: { bitmask: new Uint32Array(2) } }],
      RangeError,
      refused('SHAPE', 'allowed.bitmask'),
    ],
    [
      'listed logits without lists',
      [row(), 1, { ...options, layout: 'allowed' }],
      TypeError,
      refused('OPTION_CONFLICT', 'layout'),
    ],
    [
      'listed logits of another length',
      [row(), 1, { layout: 'allowed', allowed: lists([0, 3], [1, 2, 3]) }],
      RangeError,
      refused('SHAPE', 'logits'),
    ],
    [
      'listed logits with a stride',
      [row(), 1, { layout: 'allowed', rowStride: 4, allowed: lists([0, 4], [1, 2, 3, 4]) }],
      TypeError,
      refused('OPTION_CONFLICT', 'rowStride'),
    ],
    [
      'small outputs',
      [row(), 2, { ...options, out: { tokens: new Int32Array(1) } }],
      RangeError,
      refused('OUT_TOO_SMALL', 'out.tokens'),
    ],
    [
      'outputs of another type',
      [row(), 2, { ...options, out: { logProbabilities: new Float64Array(2) } }],
      TypeError,
      refused('ARGUMENT_TYPE', 'out.logProbabilities'),
    ],
    [
      'an output on the logits',
      [new Float32Array(shared, 0, 4), 2, { ...options, out: { logProbabilities: new Float32Array(shared, 8, 2) } }],
      RangeError,
      refused('OUT_OVERLAP', 'out'),
    ],
    [
      'outputs on each other',
      [
        row(),
        2,
        { ...options, out: { tokens: new Int32Array(shared, 0, 2), logSumExp: new Float32Array(shared, 4, 1) } },
      ],
      RangeError,
      refused('OUT_OVERLAP', 'out'),
    ],
  ];

  function refused(what: string, argument: string, rowIndex?: number): Refusal {
    return { code: `ERR_BEAR_${what}` as Refusal['code'], argument, row: rowIndex };
  }

  it.each(refusals)('refuses %s', (_, args, kind, refusal) => {
    expectError(
      errorOf(() => anyTopTokens(...(args as [unknown, unknown, unknown]))),
      kind,
      refusal,
    );
  });

  it('refuses logits whose buffer is gone', () => {
    const logits = row();
    structuredClone(logits.buffer, { transfer: [logits.buffer] });
    expectError(
      errorOf(() => topTokens(logits, 1, options)),
      TypeError,
      { code: 'ERR_BEAR_BUFFER_DETACHED', argument: 'logits' },
    );
  });
});
