/** Whole calls of topTokens: every dtype, layout, constraint and kind of logits, compared with the reference. */
import { type TopTokensOptions, type TopTokensResult, topTokens } from '../../lib/index';
import { topTokensReference } from '../reference/top-tokens-reference';
import { bitmaskOf, csrOf } from './allowed-tokens';
import { allocate, bytesOf, type DType, decode, encode, type LogitArray } from './dtype';
import { SeededRandom } from './random';
import { expectAllClose, ORDINARY } from './tolerance';

export const LOGIT_KINDS = [
  'normal',
  'ties',
  'one value',
  'ascending',
  'descending',
  'holes',
  'masked',
  'signed zeros',
  'offset',
  'outliers',
] as const;
export type LogitKind = (typeof LOGIT_KINDS)[number];
export const CONSTRAINTS = ['none', 'csr', 'bitmask', 'listed'] as const;
export type Constraint = (typeof CONSTRAINTS)[number];

export interface TopTokensShape {
  seed: number;
  rows: number;
  vocabSize: number;
  padding: number;
  startOffset: number;
  dtype: DType;
  logits: LogitKind;
  constraint: Constraint;
  beamWidth: number;
  temperature?: number;
  softcap?: number;
}

export interface TopTokensProblem {
  data: LogitArray;
  beamWidth: number;
  options: TopTokensOptions;
  /** What the call sees, for the reference. */
  rows: Float64Array[];
  allowed: number[][] | undefined;
}

function rowOf(kind: LogitKind, vocabSize: number, random: SeededRandom): number[] {
  const normal = Array.from(random.normals(vocabSize, 3));
  switch (kind) {
    case 'normal':
      return normal;
    case 'ties':
      return normal.map((z) => Math.round(z));
    case 'one value':
      return normal.map(() => -1.5);
    case 'ascending':
      return normal.map((_, token) => (token - vocabSize / 2) / 16);
    case 'descending':
      return normal.map((_, token) => (vocabSize / 2 - token) / 16);
    case 'holes':
      return normal.map((z) => (random.chance(0.7) ? -Infinity : z));
    case 'masked':
      return normal.map((z, token) => (token > vocabSize - 3 && random.chance(0.5) ? z : -Infinity));
    case 'signed zeros':
      return normal.map((z) => (z > 0 ? 0 : -0));
    case 'offset':
      return normal.map((z) => 1000 + z);
    case 'outliers':
      return normal.map((z) => (random.chance(0.02) ? z + 200 * random.uniform() : z));
  }
}

export function makeTopTokensProblem(shape: TopTokensShape): TopTokensProblem {
  const { rows, vocabSize, padding, startOffset, dtype, constraint, beamWidth, temperature, softcap } = shape;
  const random = new SeededRandom(shape.seed);
  const values = Array.from({ length: rows }, () => encode(rowOf(shape.logits, vocabSize, random), dtype));
  // Some rows allow nothing.
  const allowed =
    constraint === 'none' ? undefined : values.map(() => random.sample(random.integer(vocabSize + 1), vocabSize));
  const shared = { temperature, softcap };
  const decoded = values.map((row) => decode(row, dtype));
  if (constraint === 'listed') {
    const lists = allowed as number[][];
    const data = placed(
      lists.flatMap((tokens, row) => tokens.map((token) => (values[row] as LogitArray)[token] as number)),
      startOffset,
      dtype,
    );
    const options = { ...shared, dtype, layout: 'allowed', allowed: csrOf(lists) } as const;
    return { data, beamWidth, options, rows: decoded, allowed };
  }
  const rowStride = vocabSize + padding;
  const data = allocate(startOffset + Math.max(0, rows * rowStride - padding), dtype).subarray(startOffset);
  values.forEach((row, index) => {
    data.set(row as never, index * rowStride);
  });
  const options = {
    ...shared,
    dtype,
    vocabSize,
    rowStride,
    allowed: allowed && (constraint === 'csr' ? csrOf(allowed) : bitmaskOf(allowed, vocabSize, 1)),
  };
  return { data: data as LogitArray, beamWidth, options, rows: decoded, allowed };
}

function placed(stored: number[], startOffset: number, dtype: DType): LogitArray {
  const data = allocate(startOffset + stored.length, dtype);
  data.set(stored, startOffset);
  return data.subarray(startOffset) as LogitArray;
}

export function runTopTokens(problem: TopTokensProblem, overrides: TopTokensOptions = {}): TopTokensResult {
  return topTokens(problem.data, problem.beamWidth, { ...problem.options, ...overrides });
}

/** Ids must be the reference's; numbers within the tolerance of the loss. */
export function expectTopTokens(
  result: { tokens: ArrayLike<number>; logProbabilities: ArrayLike<number>; logSumExp: ArrayLike<number> },
  { rows, beamWidth, allowed, options }: TopTokensProblem,
): void {
  const { temperature, softcap } = options;
  const expected = topTokensReference(rows, beamWidth, { allowed, temperature, softcap });
  const tokens = expected.flatMap((row) => row.tokens);
  expect(result.tokens.length).toBe(tokens.length);
  // Of long lists toEqual takes seconds.
  const wrong = tokens.findIndex((token, index) => result.tokens[index] !== token);
  if (wrong >= 0) throw new Error(`entry ${wrong}: token ${result.tokens[wrong]}, reference ${tokens[wrong]}`);
  const tolerance = ORDINARY.loss;
  expectAllClose(
    result.logProbabilities,
    expected.flatMap(({ logProbabilities }) => logProbabilities),
    tolerance,
    'log-probability',
  );
  expectAllClose(
    result.logSumExp,
    expected.map(({ logSumExp }) => logSumExp),
    tolerance,
    'logSumExp',
  );
}

export function topTokensFingerprint({ tokens, logProbabilities, logSumExp }: TopTokensResult): string {
  return [tokens, logProbabilities, logSumExp].map((view) => bytesOf(view).toString('base64')).join(' ');
}
