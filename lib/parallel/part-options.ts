import { checkOptions, OPTION_NAMES, positiveInteger, readMembers } from '../loss/check-options.js';
import { bearError, refuse } from '../loss/errors.js';
import type { BearLossOptions, CheckedOptions, Reduction } from '../loss/options.js';

/**
 * The options of a call of one part: those of {@link fusedBearLoss}, the same in every process but for `firstToken`,
 * `threads`, `out`, and a bitmask, which is of the part's tokens. Lists and targets have ids of the whole vocabulary.
 */
export interface VocabularyPartOptions<R extends Reduction = Reduction>
  extends Omit<BearLossOptions<R>, 'vocabSize' | 'device' | 'signal'> {
  /** The id of the part's first token. */
  firstToken: number;
  /** V, the tokens of all parts together. How many the part has is what its logits say. */
  vocabSize: number;
}

/** What must be the same in every part, and what the merge is done with. */
export interface SharedOptions {
  vocabSize: number;
  /** 1 where no threshold is searched for. */
  beamWidth: number;
  temperature: number;
  /** 0: none. */
  softcap: number;
  /** Whether the sums that label smoothing needs are there. */
  smoothed: boolean;
}

export interface CheckedPartOptions extends SharedOptions {
  firstToken: number | undefined;
  /** Without `vocabSize`, as the loss takes it for that of the logits. */
  loss: CheckedOptions;
}

/** Of host arrays, in calls that end before they return. */
const NAMES: ReadonlySet<string> = new Set(
  [...OPTION_NAMES, 'firstToken'].filter((name) => !['device', 'signal', 'stream'].includes(name)),
);

const MOST_TOKENS = 2 ** 31; // ids are 32-bit integers

export function readPartOptions(options: unknown): CheckedPartOptions {
  const { firstToken, vocabSize, ...rest } = readMembers(
    options,
    'options',
    'an object of options',
    NAMES,
    (given) => Object.fromEntries([...NAMES].map((name) => [name, given[name]])),
    '',
  );
  const loss = checkOptions(rest as BearLossOptions);
  if (firstToken !== undefined) checkFirstToken(firstToken);
  return {
    firstToken: firstToken as number | undefined,
    vocabSize: readVocabSize(vocabSize),
    beamWidth: loss.pruningStatistics ? loss.beamWidth : 1,
    temperature: loss.temperature,
    softcap: loss.softcap ?? 0,
    smoothed: loss.labelSmoothing > 0,
    loss,
  };
}

function readVocabSize(vocabSize: unknown): number {
  const size = positiveInteger(vocabSize, 'vocabSize');
  if (size > MOST_TOKENS) refuse('ERR_BEAR_OPTION_VALUE', 'vocabSize', 'at most 2^31 tokens', size);
  return size;
}

function checkFirstToken(firstToken: unknown): void {
  const expected = 'the id of the first token of the part';
  if (typeof firstToken !== 'number') refuse('ERR_BEAR_ARGUMENT_TYPE', 'firstToken', expected, firstToken);
  if (!Number.isSafeInteger(firstToken) || firstToken < 0) {
    refuse('ERR_BEAR_OPTION_VALUE', 'firstToken', expected, firstToken);
  }
}

/** Where a part of `tokens` tokens begins. Throws where it would not lie in the vocabulary. */
export function placeOf({ firstToken, vocabSize }: CheckedPartOptions, tokens: number): number {
  if (firstToken === undefined) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'firstToken', 'the id of the first token of the part', firstToken);
  }
  if (firstToken + tokens <= vocabSize) return firstToken;
  throw bearError('ERR_BEAR_PARTS_COVERAGE', {
    argument: 'firstToken',
    expected: `a part in a vocabulary of ${vocabSize} tokens`,
    received: `${firstToken} for a part of ${tokens} tokens`,
  });
}
