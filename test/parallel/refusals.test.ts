/** What the three calls refuse, and that nothing is written then. */
import { type BearPartials, bearPartials, bearShardGradient, mergeBearPartials } from '../../lib/index';
import { errorOf, expectError, type Refusal } from '../loss/refusal';

const logits = (tokens: number) => ({
  data: Float32Array.from({ length: 2 * tokens }, (_, index) => Math.sin(7 * index)),
  shape: [2, tokens],
});
const targets = Int32Array.of(1, 6);
const partial = (firstToken: number, tokens: number, options = {}) =>
  bearPartials(logits(tokens), targets, { firstToken, vocabSize: 8, beamWidth: 2, ...options });
const OPTIONS = { vocabSize: 8, beamWidth: 2 };
const merge = (parts: unknown, options: object = OPTIONS) =>
  mergeBearPartials(parts as BearPartials[], options as never);
const whole = () => merge([partial(0, 5), partial(5, 3)]);

type Row = [name: string, run: () => unknown, kind: typeof TypeError | typeof RangeError, refusal: Refusal];

const coverage = (says: string | RegExp): Refusal => ({ code: 'ERR_BEAR_PARTS_COVERAGE', argument: 'parts', says });
const mismatch = (argument: string): Refusal => ({ code: 'ERR_BEAR_PARTS_MISMATCH', argument });
const fault = (argument: string, row?: number): Refusal => ({
  code: 'ERR_BEAR_PARTIALS',
  argument,
  ...(row !== undefined && { row }),
});

const changed = (change: (part: BearPartials) => object) => {
  const part = structuredClone(partial(0, 5));
  return merge([{ ...part, ...change(part) }, partial(5, 3)]);
};

describe('a merge refuses', () => {
  it.each<Row>([
    ['no parts', () => merge([]), RangeError, coverage('none')],
    ['a missing part', () => merge([partial(0, 5)]), RangeError, coverage('from 5 to 7')],
    ['a missing first part', () => merge([partial(5, 3)]), RangeError, coverage('from 0 to 4')],
    ['a gap', () => merge([partial(6, 2), partial(0, 5)]), RangeError, coverage('from 5 to 5')],
    ['an overlap', () => merge([partial(0, 5), partial(4, 4)]), RangeError, coverage(/token 4 another part/)],
    ['a part twice', () => merge([partial(0, 5), partial(5, 3), partial(0, 5)]), RangeError, coverage('token 0')],
    [
      'parts of other targets',
      () => merge([partial(0, 5), bearPartials(logits(3), [1, 7], { firstToken: 5, ...OPTIONS })]),
      RangeError,
      mismatch('parts[1].fingerprint'),
    ],
    [
      'parts of another temperature',
      () => merge([partial(0, 5), partial(5, 3, { temperature: 2 })]),
      RangeError,
      mismatch('parts[1].temperature'),
    ],
    [
      'parts of another beam width than the options',
      () => merge([partial(0, 5), partial(5, 3)], { ...OPTIONS, beamWidth: 3 }),
      RangeError,
      mismatch('parts[0].beamWidth'),
    ],
    [
      'parts without what label smoothing needs',
      () => merge([partial(0, 5), partial(5, 3)], { ...OPTIONS, labelSmoothing: 0.1 }),
      RangeError,
      mismatch('parts[0].smoothed'),
    ],
    ['another layout', () => changed(() => ({ version: 2 })), RangeError, mismatch('parts[0].version')],
    [
      'fewer candidates than tokens',
      () => changed(({ candidateTokens }) => ({ candidateTokens: candidateTokens.fill(-1, 1, 2) })),
      RangeError,
      fault('parts[0].candidateTokens', 0),
    ],
    [
      'arrays cut short',
      () => changed(({ candidateLogits }) => ({ candidateLogits: candidateLogits.subarray(1) })),
      RangeError,
      { code: 'ERR_BEAR_SHAPE', argument: 'parts[0].candidateLogits' },
    ],
    [
      'candidates out of order',
      () => changed(({ candidateLogits }) => ({ candidateLogits: candidateLogits.reverse() })),
      RangeError,
      fault('parts[0].candidateTokens', 0),
    ],
    [
      'candidates of another part',
      () => changed(({ candidateTokens }) => ({ candidateTokens: candidateTokens.fill(7, 3) })),
      RangeError,
      fault('parts[0].candidateTokens', 1),
    ],
    [
      'a sum of NaN',
      () => changed(() => ({ sumOthers: Float64Array.of(0, NaN) })),
      RangeError,
      fault('parts[0].sumOthers', 1),
    ],
    [
      'a wrong maximum',
      () => changed(() => ({ maxLogit: Float32Array.of(9, 9) })),
      RangeError,
      fault('parts[0].maxLogit', 0),
    ],
    ['a target that no part has', () => changed(() => ({ flags: new Uint8Array(2) })), RangeError, fault('parts', 0)],
    ['a number of rows that is none', () => changed(() => ({ rows: -1 })), RangeError, fault('parts[0].rows')],
    ['what is no array', () => merge(5), TypeError, { code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'parts' }],
    [
      'what is no typed array',
      () => changed(() => ({ counts: [1, 2] })),
      TypeError,
      { code: 'ERR_BEAR_ARGUMENT_TYPE', argument: 'parts[0].counts' },
    ],
  ])('%s', (_, run, kind, refusal) => {
    expectError(errorOf(run), kind, refusal);
  });
});

describe('a part refuses', () => {
  const option = (code: Refusal['code'], argument: string): Refusal => ({ code, argument });
  it.each<Row>([
    ['no first token', () => partial(undefined as never, 5), TypeError, option('ERR_BEAR_ARGUMENT_TYPE', 'firstToken')],
    ['a negative first token', () => partial(-1, 5), RangeError, option('ERR_BEAR_OPTION_VALUE', 'firstToken')],
    ['an end past the vocabulary', () => partial(4, 5), RangeError, option('ERR_BEAR_PARTS_COVERAGE', 'firstToken')],
    [
      'no vocabSize',
      () => partial(0, 5, { vocabSize: undefined }),
      TypeError,
      option('ERR_BEAR_ARGUMENT_TYPE', 'vocabSize'),
    ],
    ['a device', () => partial(0, 5, { device: 'cuda' }), TypeError, option('ERR_BEAR_OPTION_UNKNOWN', 'device')],
    [
      'a stride beside a flat array',
      () => bearPartials(new Float32Array(12), targets, { firstToken: 0, rowStride: 6, ...OPTIONS }),
      RangeError,
      option('ERR_BEAR_SHAPE', 'logitsPart'),
    ],
    [
      'a target outside the vocabulary',
      () => bearPartials(logits(4), [1, 8], { firstToken: 4, ...OPTIONS }),
      RangeError,
      { code: 'ERR_BEAR_TARGET_OUT_OF_RANGE', argument: 'targets', row: 1, says: '0 to 7' },
    ],
    [
      'a target of another part that its list does not have',
      () => partial(0, 4, { allowed: { offsets: Int32Array.of(0, 2, 4), tokens: Int32Array.of(1, 7, 1, 7) } }),
      RangeError,
      { code: 'ERR_BEAR_TARGET_NOT_ALLOWED', argument: 'targets', row: 1 },
    ],
    [
      'a listed id outside the vocabulary',
      () => partial(0, 4, { allowed: { offsets: Int32Array.of(0, 1, 3), tokens: Int32Array.of(1, 6, 8) } }),
      RangeError,
      { code: 'ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE', argument: 'allowed.tokens', row: 1 },
    ],
    [
      'its own target outside its bitmask',
      () => partial(4, 4, { allowed: { bitmask: Uint32Array.of(0b1111, 0b1011) } }),
      RangeError,
      { code: 'ERR_BEAR_TARGET_NOT_ALLOWED', argument: 'targets', row: 1 },
    ],
  ])('%s', (_, run, kind, refusal) => {
    expectError(errorOf(run), kind, refusal);
  });
});

describe('a gradient refuses, and writes nothing', () => {
  it.each<[string, object, Int32Array, (merged: ReturnType<typeof whole>) => object, string]>([
    ['other targets', {}, Int32Array.of(1, 5), (merged) => merged, 'merged.fingerprint'],
    ['another softcap', { softcap: 30 }, targets, (merged) => merged, 'merged.softcap'],
    ['another vocabulary', { vocabSize: 9 }, targets, (merged) => merged, 'merged.vocabSize'],
    ['label smoothing without its sums', { labelSmoothing: 0.1 }, targets, (merged) => merged, 'merged.smoothed'],
  ])('%s', (_, options, ids, change, argument) => {
    const room = new Float32Array(10).fill(7);
    const call = { firstToken: 0, ...OPTIONS, out: { gradLogits: room }, ...options };
    const error = errorOf(() => bearShardGradient(logits(5), ids, change(whole()) as never, call));
    expectError(error, RangeError, mismatch(argument));
    expect(room).toEqual(new Float32Array(10).fill(7));
  });

  it('merged rows that are cut short', () => {
    const merged = { ...whole(), flags: new Uint8Array(1) };
    const error = errorOf(() => bearShardGradient(logits(5), targets, merged, { firstToken: 0, ...OPTIONS }));
    expectError(error, RangeError, { code: 'ERR_BEAR_SHAPE', argument: 'merged.flags' });
  });

  it('a sparse gradient', () => {
    const allowed = { offsets: Int32Array.of(0, 2, 3), tokens: Int32Array.of(1, 2, 6) };
    const call = { firstToken: 0, ...OPTIONS, allowed, gradient: 'sparse' } as const;
    const error = errorOf(() => bearShardGradient(logits(5), targets, whole(), call));
    expectError(error, TypeError, { code: 'ERR_BEAR_OPTION_CONFLICT', argument: 'gradient' });
  });

  it('room that lies over the merged rows', () => {
    const room = new Float32Array(10);
    const merged = { ...whole(), maxLogit: room.subarray(0, 2) };
    const call = { firstToken: 0, ...OPTIONS, out: { gradLogits: room } };
    const error = errorOf(() => bearShardGradient(logits(5), targets, merged, call));
    expectError(error, RangeError, { code: 'ERR_BEAR_OUT_OVERLAP', argument: 'out.gradLogits' });
  });
});
