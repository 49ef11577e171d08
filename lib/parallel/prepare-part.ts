import type { Logits } from '../loss/logits.js';
import { outcomeError } from '../loss/outcome-errors.js';
import { type PreparedCall, prepareCall } from '../loss/prepare-call.js';
import type { Targets } from '../loss/targets.js';
import type { NativeOutcome } from '../native/binding.js';
import type { CheckedOptions } from '../options/check-options.js';
import type { BearLossError } from '../options/errors.js';
import { bearError } from '../options/errors.js';
import { fingerprintOf } from './fingerprint.js';
import { type CheckedPartOptions, placeOf } from './part-options.js';

export interface PreparedPart extends PreparedCall {
  firstToken: number;
  /** That the part has. */
  tokens: number;
  fingerprint: number;
  /** firstToken and vocabSize, as the addon takes them. */
  place: Float64Array;
}

/** The call of a part; `loss` are the options that the addon sees. */
export function preparePart(
  logits: Logits,
  targets: Targets,
  options: CheckedPartOptions,
  loss: CheckedOptions,
): PreparedPart {
  if (ArrayBuffer.isView(logits) && loss.rowStride !== undefined) {
    throw bearError('ERR_BEAR_SHAPE', {
      argument: 'logitsPart',
      expected: '{ data, shape } beside rowStride, as vocabSize is that of all parts',
      received: 'a flat array',
    });
  }
  const prepared = prepareCall(logits, targets, { ...loss, beamWidth: options.beamWidth });
  const { call } = prepared;
  const firstToken = placeOf(options, call.vocabSize);
  return {
    ...prepared,
    firstToken,
    tokens: call.vocabSize,
    fingerprint: fingerprintOf(call as Parameters<typeof fingerprintOf>[0], loss.ignoreIndex),
    place: Float64Array.of(firstToken, options.vocabSize),
  };
}

/** The error that tells the caller of an outcome other than `done`. */
export function partError(outcome: NativeOutcome, part: PreparedPart, vocabSize: number): BearLossError | Error {
  if (outcome.status === 'done' || outcome.status === 'aborted') {
    return new Error(`fused-bear-loss: a part ended with ${outcome.status}`);
  }
  // Ids are those of the whole vocabulary.
  return outcomeError(outcome, { ...part, call: { ...part.call, vocabSize } });
}
