import { allocate } from '../loss/arrays.js';
import type { Logits } from '../loss/logits.js';
import type { Targets } from '../loss/targets.js';
import { computePartials } from '../native/loss-calls.js';
import type { LogitsArray } from '../options/options.js';
import type { BearPartials } from './messages.js';
import { readPartOptions, type VocabularyPartOptions } from './part-options.js';
import { partError, preparePart } from './prepare-part.js';

/**
 * What a process that holds the logits of some tokens of a vocabulary hands to the others.
 *
 * Costs one pass over the logits. Options that only concern loss and gradient are checked, and do not matter here.
 *
 * @param logitsPart N rows of the logits of the tokens from `firstToken` on, as {@link fusedBearLoss} takes them. Where
 *   rows are padded: `{ data, shape, rowStride }`. Not written.
 * @param targets [N] ids of the whole vocabulary, or `ignoreIndex`; the same in every process.
 * @throws TypeError or RangeError as {@link fusedBearLoss}; `ERR_BEAR_PARTS_COVERAGE` where the part does not lie in the
 *   vocabulary.
 *
 * @example
 * const partials = bearPartials(logitsPart, targets, { firstToken: 16000, vocabSize: 32000, beamWidth: 10 });
 */
export function bearPartials<A extends LogitsArray = LogitsArray>(
  logitsPart: Logits<A>,
  targets: Targets,
  options: VocabularyPartOptions,
): BearPartials {
  const checked = readPartOptions(options);
  const part = preparePart(logitsPart, targets, checked, {
    ...checked.loss,
    reduction: 'sum',
    gradient: false,
    gradOutput: 1,
    normalizer: undefined,
    tokenWeights: undefined,
    penaltyWeights: undefined,
    rows: false,
    out: undefined,
  });
  const { rows } = part.call;
  const { vocabSize, beamWidth, temperature, softcap, smoothed } = checked;
  const width = Math.min(beamWidth, part.tokens);
  const partials: BearPartials = {
    version: 1,
    rows,
    vocabSize,
    firstToken: part.firstToken,
    tokens: part.tokens,
    beamWidth,
    temperature,
    softcap,
    smoothed,
    fingerprint: part.fingerprint,
    maxLogit: allocate(Float32Array, rows, 'maxLogit'),
    sumOthers: allocate(Float64Array, rows, 'sumOthers'),
    targetLogit: allocate(Float32Array, rows, 'targetLogit'),
    counts: allocate(Int32Array, rows, 'counts'),
    sumDifferences: allocate(Float64Array, smoothed ? rows : 0, 'sumDifferences'),
    candidateLogits: allocate(Float32Array, rows * width, 'candidateLogits'),
    candidateTokens: allocate(Int32Array, rows * width, 'candidateTokens'),
    flags: allocate(Uint8Array, rows, 'flags'),
  };
  const outcome = computePartials(part.call, part.place, partials);
  if (outcome !== undefined) throw partError(outcome, part, vocabSize);
  return partials;
}
