import { type Command, Option } from 'commander';
import type { Dataset } from '../data/dataset.js';
import { defaultSplit, protocolOptions, SPLITS } from '../data/protocols.js';
import { CODE_SOURCES, ITEM_TOKENS } from '../data/title-codes.js';
import { EVIDENCE } from '../model/evidence.js';
import { DEFAULT_LAMBDAS, hasMargin, hasScale, hasThresholdGradient, LOSSES, PENALTIES } from '../training/losses.js';
import { DEFAULT_RUN_OPTIONS, flagOf, type RunOptions } from '../training/run-options.js';
import { count, fromZero, number, path, positive, seed, share } from './option-values.js';

const D = DEFAULT_RUN_OPTIONS;
const DEFAULT_LAMBDAS_IN_WORDS = PENALTIES.map((penalty) => `${penalty} ${DEFAULT_LAMBDAS[penalty]}`).join(', ');

export const DATA_FOLDER =
  'folder with id2name4Rec.json and train.csv, or with NAME.inter.json and NAME.index.json: as the BEAR authors publish ' +
  'theirs, or MiniOneRec and APAO';

/** The loss of one run. */
export function addLossFlags(command: Command): Command {
  return command
    .addOption(new Option('--loss <name>', 'what to minimise').choices(LOSSES).default(D.loss))
    .addOption(new Option('--penalty <kind>', 'penalty of the bear loss').choices(PENALTIES).default(D.penalty))
    .option('--lambda <factor>', `factor of the penalty (default: ${DEFAULT_LAMBDAS_IN_WORDS})`, fromZero)
    .option('--xi <scale>', 'scale of the pruning margin; not for hinge', positive, D.xi)
    .option('--margin <margin>', 'margin of the hinge', number, D.margin)
    .addOption(
      new Option(
        '--threshold-gradient <kind>',
        'whether the gradient also flows through the threshold; not for reweight',
      )
        .choices(['detach', 'flow'])
        .default(D.thresholdGradient),
    )
    .option('--beta <factor>', 'factor of the prefix losses of apao', fromZero, D.beta)
    .option('--eta <factor>', 'how much the worst prefix length of apao counts', number, D.eta)
    .option('--unmasked', 'apao over all tokens, as published, in place of the allowed ones')
    .option('--loss-beam-width <n>', 'B of the loss (default: that of the search)', count)
    .option('--temperature <t>', 'divides the logits in the loss and in the search', positive, D.temperature)
    .option('--seed <n>', 'seed of the first parameters, the order of rows and dropout', seed, D.seed);
}

/** @throws Error where a setting was given that the loss or its penalty does not have, and would be without effect */
export function requireNoConflict(command: Command): void {
  const { loss, penalty } = command.opts() as Pick<RunOptions, 'loss' | 'penalty'>;
  const isSet = (name: string) => command.getOptionValueSource(name) === 'cli';
  for (const name of APAO_SETTINGS) if (isSet(name)) requireLoss('apao', name, loss);
  for (const [name, isOf] of Object.entries(PENALTY_SETTINGS)) {
    if (!isSet(name)) continue;
    requireLoss('bear', name, loss);
    if (!isOf(penalty)) throw new Error(`${flagOf(name)} has no effect with --penalty ${penalty}`);
  }
}

function requireLoss(wanted: RunOptions['loss'], name: string, loss: RunOptions['loss']): void {
  if (loss !== wanted) throw new Error(`${flagOf(name)} is for --loss ${wanted} only, and --loss is ${loss}`);
}

const APAO_SETTINGS = ['beta', 'eta', 'unmasked'];

const PENALTY_SETTINGS: Readonly<Record<string, (penalty: string) => boolean>> = {
  penalty: () => true,
  lambda: () => true,
  xi: hasScale,
  margin: hasMargin,
  thresholdGradient: hasThresholdGradient,
};

/** What all runs of a comparison share. */
export function addRunFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--split <kind>',
        'how rows are held out (default: user; leave-one-out for data of whole histories)',
      ).choices(SPLITS),
    )
    .addOption(
      new Option(
        '--item-tokens <kind>',
        'what the decoder writes: short codes of items, the tokens of titles, or one token for each item',
      )
        .choices(ITEM_TOKENS)
        .default(D.itemTokens),
    )
    .addOption(
      new Option(
        '--code-source <kind>',
        `what codes are made from: words of titles, or also purchases of training rows (default: ${D.codeSource})`,
      ).choices(CODE_SOURCES),
    )
    .addOption(
      new Option('--evidence <kind>', 'what is added to the logits: counts of the training rows, or nothing')
        .choices(EVIDENCE)
        .default(D.evidence),
    )
    .option(
      '--codes <file>',
      'codes of the items, in the index.json form (default: those in the data folder, or made)',
      path,
    )
    .option(
      '--word-vectors <file>',
      'vectors of words for items and tokens to start from: text as of word2vec and GloVe, or .safetensors',
      path,
    )
    .option('--beam-width <n>', `width of the beam search, and B of the loss (${defaultBySplit('beamWidth')})`, count)
    .option('--epochs <n>', 'most epochs', count, D.epochs)
    .option('--patience <n>', 'epochs without a better validation NDCG@10 before training ends', count, D.patience)
    .option('--dimension <n>', 'length of the vectors of the model', count, D.dimension)
    .option(
      '--history-places <n>',
      `most recent items that the model reads (${defaultBySplit('historyPlaces')})`,
      count,
    )
    .option('--batch-size <n>', 'rows of a step', count, D.batchSize)
    .option('--learning-rate <rate>', 'at the first step; falls to 0', positive, D.learningRate)
    .option('--weight-decay <rate>', 'of AdamW', fromZero, D.weightDecay)
    .option('--dropout <share>', 'of the activations of the network', share, D.dropout)
    .option('--train-rows <n>', 'most rows to train on (default: all)', count)
    .option('--test-rows <n>', 'most rows to validate and to test on (default: all)', count)
    .option(
      '--exact-rows <n>',
      'most validation and most test rows whose exact ranking is computed, for the pruning rate',
      count,
      D.exactRows,
    )
    .option('--threads <n>', 'threads of the loss; results do not depend on it (default: all)', count);
}

function defaultBySplit(name: 'beamWidth' | 'historyPlaces'): string {
  const others = SPLITS.flatMap((split) => {
    const value = protocolOptions(split)[name];
    return value === undefined ? [] : [`; ${value} with ${split}`];
  });
  return `default: ${D[name]}${others.join('')}`;
}

/** Flags as commander read them, as the options of a run on these data. */
export function runOptionsOf(flags: Record<string, unknown>, dataset: Dataset): RunOptions {
  const split = (flags.split as RunOptions['split'] | undefined) ?? defaultSplit(dataset);
  const options = { ...D, split, ...protocolOptions(split) } as Record<string, unknown>;
  for (const name of Object.keys(flags)) if (name in D || OPTIONAL.has(name)) options[name] = flags[name];
  if (flags.codes !== undefined && options.itemTokens !== 'codes') {
    throw withoutEffect('--codes', `--item-tokens ${options.itemTokens}`);
  }
  if (flags.codeSource !== undefined) {
    if (options.itemTokens !== 'codes') throw withoutEffect('--code-source', `--item-tokens ${options.itemTokens}`);
    if (flags.codes !== undefined) throw withoutEffect('--code-source', '--codes');
    if (dataset.codes) throw withoutEffect('--code-source', `data that have codes, as ${dataset.description}`);
  }
  options.lambda = flags.lambda ?? DEFAULT_LAMBDAS[options.penalty as RunOptions['penalty']];
  options.lossBeamWidth = flags.lossBeamWidth ?? options.beamWidth;
  return options as unknown as RunOptions;
}

/** Of a flag that was given and would change nothing. */
function withoutEffect(flag: string, reason: string): Error {
  return new Error(`${flag} has no effect with ${reason}`);
}

const OPTIONAL = new Set(['unmasked', 'trainRows', 'testRows', 'threads']);
