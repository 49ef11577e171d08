import { isDeepStrictEqual } from 'node:util';
import { SPLITS } from '../data/protocols.js';
import type { SplitOptions } from '../data/splits.js';
import { CODE_SOURCES, type CodeSource, ITEM_TOKENS, type ItemTokens } from '../data/title-codes.js';
import { EVIDENCE, type EvidenceKind } from '../model/evidence.js';
import type { ModelSize } from '../model/network-parameters.js';
import { COUNT, FINITE, FROM_ZERO, POSITIVE, SEED, SHARE, WHOLE } from '../ranges.js';
import { DEFAULT_LAMBDAS, LOSSES, type LossSettings, PENALTIES } from './losses.js';
import { isTrue, listOf, numberIn, objectOf, oneOf } from './shape.js';

/** All that the numbers of a run depend on, beside the data and the threads, on which they do not depend. */
export interface RunOptions extends LossSettings, SplitOptions, ModelSize {
  /** What the decoder writes. */
  itemTokens: ItemTokens;
  /** What the codes are made from, where the decoder writes codes. */
  codeSource: CodeSource;
  /** What is added to the logits of the network. */
  evidence: EvidenceKind;
  /** Width of the beam search that validates and tests. */
  beamWidth: number;
  /**
   * Divides the logits when the finished model searches. Default: the `temperature` of the loss, which the probabilities
   * of the model are for. Lower sharpens.
   */
  searchTemperature?: number;
  /** Most validation and most test rows whose exact ranking is computed, for the pruning rate: a random sample of them. */
  exactRows: number;
  /** Most epochs. */
  epochs: number;
  /** Epochs without a better NDCG@10 on the validation rows after which training ends. */
  patience: number;
  batchSize: number;
  learningRate: number;
  weightDecay: number;
  dropout: number;
  seed: number;
}

/**
 * Sizes and rates were chosen on the validation users of Amazon Office. The loss is the package's own default, which is not what
 * did best there: docs/experiment.md.
 */
export const DEFAULT_RUN_OPTIONS: RunOptions = {
  loss: 'bear',
  penalty: 'log-sigmoid',
  lambda: DEFAULT_LAMBDAS['log-sigmoid'],
  xi: 1,
  margin: 0,
  thresholdGradient: 'detach',
  beta: 0.1,
  eta: 0,
  lossBeamWidth: 10,
  temperature: 1,
  beamWidth: 10,
  exactRows: 1000,
  split: 'user',
  itemTokens: 'codes',
  codeSource: 'titles-and-purchases',
  evidence: 'counts',
  dimension: 64,
  historyPlaces: 10,
  epochs: 14,
  patience: 6,
  batchSize: 64,
  learningRate: 4e-3,
  weightDecay: 0.2,
  dropout: 0.3,
  seed: 1,
};

type OptionalOption =
  | 'unmasked'
  | 'lambdas'
  | 'penaltyStart'
  | 'penaltyEnd'
  | 'threads'
  | 'trainRows'
  | 'testRows'
  | 'searchTemperature';

const count = numberIn(COUNT);

/** Options as a file has them. */
export const runOptionsShape = objectOf<Omit<RunOptions, OptionalOption>, Required<Pick<RunOptions, OptionalOption>>>(
  {
    loss: oneOf(LOSSES),
    penalty: oneOf(PENALTIES),
    lambda: numberIn(FROM_ZERO),
    xi: numberIn(POSITIVE),
    margin: numberIn(FINITE),
    thresholdGradient: oneOf(['detach', 'flow']),
    beta: numberIn(FROM_ZERO),
    eta: numberIn(FINITE),
    lossBeamWidth: count,
    temperature: numberIn(POSITIVE),
    beamWidth: count,
    exactRows: count,
    split: oneOf(SPLITS),
    itemTokens: oneOf(ITEM_TOKENS),
    codeSource: oneOf(CODE_SOURCES),
    evidence: oneOf(EVIDENCE),
    dimension: count,
    historyPlaces: count,
    epochs: count,
    patience: count,
    batchSize: count,
    learningRate: numberIn(POSITIVE),
    weightDecay: numberIn(FROM_ZERO),
    dropout: numberIn(SHARE),
    seed: numberIn(SEED),
  },
  {
    unmasked: isTrue,
    lambdas: listOf(numberIn(FROM_ZERO)),
    penaltyStart: numberIn(WHOLE),
    penaltyEnd: count,
    threads: count,
    trainRows: count,
    testRows: count,
    searchTemperature: numberIn(POSITIVE),
  },
);

export function searchTemperatureOf({ searchTemperature, temperature }: RunOptions): number {
  return searchTemperature ?? temperature;
}

/** The first option that differs, in words, or undefined. `threads` may differ: results do not depend on it. */
export function differingOption(stored: RunOptions, wanted: RunOptions): string | undefined {
  const names = new Set([...Object.keys(stored), ...Object.keys(wanted)] as (keyof RunOptions)[]);
  names.delete('threads');
  const different = [...names].find((name) => !isDeepStrictEqual(stored[name], wanted[name]));
  if (different === undefined) return undefined;
  const inWords = (value: unknown) => value ?? 'not set';
  return `${flagOf(different)} is ${inWords(stored[different])} there and ${inWords(wanted[different])} here`;
}

/** The flag of the command line that sets an option. */
export function flagOf(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
