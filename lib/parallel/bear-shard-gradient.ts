import { assertLength } from '../loss/arrays.js';
import type { Logits } from '../loss/logits.js';
import { assembleResult, type BearLossResult } from '../loss/result.js';
import type { Targets } from '../loss/targets.js';
import { computePartGradient } from '../native/loss-calls.js';
import { refuseSparse } from '../options/check-options.js';
import { describe } from '../options/describe.js';
import { bearError } from '../options/errors.js';
import type { GradientChoice, LogitsArray, Reduction } from '../options/options.js';
import type { MergedRows } from './messages.js';
import { readPartOptions, type VocabularyPartOptions } from './part-options.js';
import { partError, preparePart } from './prepare-part.js';
import { assertShared, MERGED_FIELDS, readMessage } from './read-partials.js';

/**
 * The loss of N whole rows, and the gradient of the logits of one part of the vocabulary.
 *
 * Loss, counts and `rows` are those of the whole rows, the same in every process; but `rows.rank` counts the part's
 * tokens alone: the rank is the sum over the parts. Costs one pass over the logits, and none without a gradient or
 * `rows`.
 *
 * @param logitsPart as {@link bearPartials} had it. Not written, unless `gradient` is in place.
 * @param targets as {@link bearPartials} had them.
 * @param merged what {@link mergeBearPartials} returned.
 * @throws TypeError or RangeError as {@link bearPartials}; `ERR_BEAR_PARTS_MISMATCH` where `merged` is of other targets,
 *   lists or options. Then nothing has been written.
 *
 * @example
 * const { loss, gradLogits } = bearShardGradient(logitsPart, targets, merged, {
 *   firstToken: 16000,
 *   vocabSize: 32000,
 *   beamWidth: 10,
 * });
 */
export function bearShardGradient<
  R extends Reduction = 'mean',
  A extends LogitsArray = LogitsArray,
  G extends GradientChoice = true,
  S extends boolean = false,
>(
  logitsPart: Logits<A>,
  targets: Targets,
  merged: MergedRows,
  options: VocabularyPartOptions<R, G, S>,
): BearLossResult<R, A, G, S> {
  const checked = readPartOptions(options);
  if (checked.loss.gradient === 'sparse') refuseSparse('a part of the vocabulary');
  const rows = readMerged(merged);
  assertShared(rows, 'merged', checked, 'the options');
  const part = preparePart(logitsPart, targets, checked, checked.loss);
  for (const [name, value] of [
    ['rows', part.call.rows],
    ['fingerprint', part.fingerprint],
  ] as const) {
    if (rows[name] === value) continue;
    throw bearError('ERR_BEAR_PARTS_MISMATCH', {
      argument: `merged.${name}`,
      expected: `${value}, as targets and constraint give it`,
      received: describe(rows[name]),
    });
  }
  const outcome = computePartGradient(part.call, part.place, rows);
  if (outcome.status === 'done') return assembleResult(outcome, part) as unknown as BearLossResult<R, A, G, S>;
  throw partError(outcome, part, checked.vocabSize);
}

function readMerged(value: unknown): MergedRows {
  const merged = readMessage(value, 'merged', 'what mergeBearPartials() returns', MERGED_FIELDS);
  const { rows, smoothed } = merged;
  for (const field of ['maxLogit', 'sumOthers', 'targetLogit', 'thresholdLogit', 'thresholdToken', 'flags'] as const) {
    assertLength(merged[field], rows, 'N', `merged.${field}`);
  }
  for (const field of ['allowedCount', 'sumDifferences'] as const) {
    assertLength(merged[field], smoothed ? rows : 0, smoothed ? 'N' : 'none', `merged.${field}`);
  }
  return merged;
}
