import { type CheckedOptions, OptionReader } from '../options/check-options.js';
import { bearError, refuse } from '../options/errors.js';
import { OPTIONS } from '../options/option-table.js';
import type { BearLossOptions, GradientChoice, Reduction } from '../options/options.js';
import { number } from '../options/rules.js';

/**
 * The options of a call of one part: those of {@link fusedBearLoss}, the same in every process but for `firstToken`,
 * `threads`, `out`, and a bitmask, which is of the part's tokens. Lists and targets have ids of the whole vocabulary.
 */
export interface VocabularyPartOptions<
  R extends Reduction = Reduction,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> extends Omit<BearLossOptions<R, G, S>, 'vocabSize' | 'device'> {
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

const MOST_TOKENS = 2 ** 31; // ids are 32-bit integers

const FIRST_TOKEN = 'the id of the first token of the part';

// Of host arrays, in calls that end before they return.
const { device, signal: _, borrow: __, ...inTable } = OPTIONS;
const ROWS = {
  ...inTable,
  vocabSize: {
    ...inTable.vocabSize,
    check: number('the number of tokens of all parts, at most 2^31', (size) => isTokenCount(size) && size > 0),
  },
  firstToken: { values: 'token id', check: number(FIRST_TOKEN, isTokenCount), meaning: 'where the part begins' },
};

function isTokenCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MOST_TOKENS;
}

interface PartOptions extends Omit<CheckedOptions, 'device'> {
  firstToken: number | undefined;
}

const reader = new OptionReader<PartOptions>(ROWS);

export function readPartOptions(options: object): CheckedPartOptions {
  const { firstToken, vocabSize, ...loss } = reader.read(options);
  if (vocabSize === undefined) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'vocabSize', 'the number of tokens of all parts', vocabSize);
  }
  return {
    firstToken,
    vocabSize,
    beamWidth: loss.pruningStatistics ? loss.beamWidth : 1,
    temperature: loss.temperature,
    softcap: loss.softcap ?? 0,
    smoothed: loss.labelSmoothing > 0,
    loss: { ...loss, device: device.byDefault },
  };
}

/** Where a part of `tokens` tokens begins. Throws where it would not lie in the vocabulary. */
export function placeOf({ firstToken, vocabSize }: CheckedPartOptions, tokens: number): number {
  if (firstToken === undefined) {
    refuse('ERR_BEAR_ARGUMENT_TYPE', 'firstToken', FIRST_TOKEN, firstToken);
  }
  if (firstToken + tokens <= vocabSize) return firstToken;
  throw bearError('ERR_BEAR_PARTS_COVERAGE', {
    argument: 'firstToken',
    expected: `a part in a vocabulary of ${vocabSize} tokens`,
    received: `${firstToken} for a part of ${tokens} tokens`,
  });
}
