/** A call of the loss with its vocabulary split: every part by itself, and the results put together again. */
import {
  type BearLossOptions,
  type BearLossResult,
  type BearPartials,
  bearPartials,
  bearShardGradient,
  type MergedRows,
  mergeBearPartials,
  type VocabularyPartOptions,
} from '../../lib/index';
import { allocate } from '../support/dtype';
import type { LossCall } from '../support/loss-call';

export interface Part {
  firstToken: number;
  tokens: number;
}

/** The parts between cuts, which are ids in (0, V) in any order, perhaps repeated. */
export function partsBetween(cuts: readonly number[], vocabSize: number): Part[] {
  const bounds = [...new Set([0, ...cuts, vocabSize])].sort((a, b) => a - b);
  return bounds.slice(1).map((end, index) => {
    const firstToken = bounds[index] as number;
    return { firstToken, tokens: end - firstToken };
  });
}

/** The part's columns of the call's own memory. */
export function logitsOfPart({ logits, dtype, rows, vocabSize, rowStride = vocabSize }: LossCall, part: Part) {
  const length = rows === 0 ? 0 : (rows - 1) * rowStride + part.tokens;
  const data = logits.subarray(part.firstToken, part.firstToken + length);
  return { data, shape: [rows, part.tokens], dtype, rowStride };
}

export function optionsOfPart(call: LossCall, part: Part, overrides: BearLossOptions = {}): VocabularyPartOptions {
  const { device: _, ...options } = { ...call.options, ...overrides };
  const { allowed } = options;
  return {
    ...options,
    ...(allowed !== undefined &&
      'bitmask' in allowed && { allowed: { bitmask: bitmaskOfPart(allowed.bitmask, call, part) } }),
    firstToken: part.firstToken,
    vocabSize: call.vocabSize,
  };
}

function bitmaskOfPart(bitmask: Uint32Array, { rows, vocabSize }: LossCall, { firstToken, tokens }: Part): Uint32Array {
  const words = Math.ceil(vocabSize / 32);
  const ownWords = Math.ceil(tokens / 32);
  const own = new Uint32Array(rows * ownWords);
  for (let row = 0; row < rows; ++row) {
    for (let j = 0; j < tokens; ++j) {
      const token = firstToken + j;
      const bit = ((bitmask[row * words + (token >> 5)] as number) >>> (token & 31)) & 1;
      const index = row * ownWords + (j >> 5);
      own[index] = (own[index] as number) | (bit << (j & 31));
    }
  }
  return own;
}

export function partialsOf(call: LossCall, parts: readonly Part[], overrides: BearLossOptions = {}): BearPartials[] {
  return parts.map((part) =>
    bearPartials(logitsOfPart(call, part), call.targets, optionsOfPart(call, part, overrides)),
  );
}

export function mergeOf(
  call: LossCall,
  partials: readonly BearPartials[],
  overrides: BearLossOptions = {},
): MergedRows {
  return mergeBearPartials(partials, optionsOfPart(call, { firstToken: 0, tokens: call.vocabSize }, overrides));
}

export interface SplitResult {
  merged: MergedRows;
  results: BearLossResult[];
  /** As one call of the loss gives it. */
  whole: BearLossResult;
}

export function splitCall(call: LossCall, parts: readonly Part[], overrides: BearLossOptions = {}): SplitResult {
  const options = { rows: true, ...overrides };
  const merged = mergeOf(call, partialsOf(call, parts, options), options);
  const results = parts.map((part) =>
    bearShardGradient(logitsOfPart(call, part), call.targets, merged, optionsOfPart(call, part, options)),
  );
  return { merged, results, whole: joined(call, parts, results) };
}

function joined(call: LossCall, parts: readonly Part[], results: readonly BearLossResult[]): BearLossResult {
  const first = results[0] as BearLossResult;
  const whole: BearLossResult = { ...first };
  if (first.rows !== undefined) {
    const rank = first.rows.rank.map((own, row) =>
      own < 0 ? own : results.reduce((sum, { rows }) => sum + ((rows?.rank[row] as number) ?? 0), 0),
    );
    whole.rows = { ...first.rows, rank };
  }
  if (first.gradLogits === undefined) return whole;
  const gradient = allocate(call.rows * call.vocabSize, call.dtype);
  parts.forEach(({ firstToken, tokens }, index) => {
    const own = results[index]?.gradLogits as typeof gradient;
    for (let row = 0; row < call.rows; ++row) {
      gradient.set(own.subarray(row * tokens, (row + 1) * tokens), row * call.vocabSize + firstToken);
    }
  });
  whole.gradLogits = gradient as Float32Array;
  return whole;
}
