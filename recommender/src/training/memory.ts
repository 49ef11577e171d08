import type { Catalogue } from '../data/catalogue.js';
import { channelCount } from '../model/evidence.js';
import { type ModelSize, networkSize } from '../model/network-parameters.js';
import { flagOf, type RunOptions } from './run-options.js';
import type { Workbench } from './workbench.js';

/**
 * Most memory that the options of a run may ask for, in bytes. jax-js has the 4 GiB that WebAssembly can address, and it holds
 * up to about half of what is counted here.
 */
const MOST_BYTES = 4 * 2 ** 30;

/** Arrays of the size of the parameters: the model, an initial one, gradients, two moments, copies on the device. */
const PARAMETER_COPIES = 8;
/** Arrays of activations of one size in both phases of a step, on the host and on the device. */
const ACTIVATION_COPIES = 12;
/** Users that beam search serves at once. */
const SEARCHED_USERS = 128;
/** Of the objects that a search makes for a row. */
const ROW_BYTES = 256;

/** @throws RangeError, before anything is allocated, where training needs more than `MOST_BYTES` */
export function requireTrainable(options: RunOptions, { catalogue, split }: Workbench): void {
  const { dimension: d, historyPlaces, batchSize, beamWidth } = options;
  const n = effectiveBatchSize(batchSize, split.train.length);
  const decisions = catalogue.choices.reduce((most, { length }) => Math.max(most, length), 0);
  const rows = n * decisions;
  const search = searchRows(beamWidth, catalogue);
  const parts: [option: keyof RunOptions, bytes: number][] = [
    ['dimension', 4 * PARAMETER_COPIES * parameterCount(options, catalogue)],
    ['historyPlaces', 4 * ACTIVATION_COPIES * historyPlaces * Math.max(n, SEARCHED_USERS) * d],
    ['batchSize', rows * (4 * ACTIVATION_COPIES * d + 3 * 4 * catalogue.vocabulary.choices + ROW_BYTES)],
    ['beamWidth', search * (4 * 3 * d + ROW_BYTES)],
  ];
  requireBytes(parts, options);
}

/** @throws RangeError that names `file`, where the model that its options ask for needs more than `MOST_BYTES` */
export function requireLoadable(options: RunOptions, catalogue: Catalogue, file: string): void {
  const { dimension: d, historyPlaces } = options;
  const parts: [option: keyof RunOptions, bytes: number][] = [
    ['dimension', 4 * PARAMETER_COPIES * parameterCount(options, catalogue)],
    ['historyPlaces', 4 * ACTIVATION_COPIES * historyPlaces * SEARCHED_USERS * d],
  ];
  try {
    requireBytes(parts, options);
  } catch (cause) {
    throw new RangeError(`${file}: ${(cause as Error).message}`, { cause });
  }
}

/** A batch is padded to its full size, so one that is larger than the data would be padding. */
export function effectiveBatchSize(batchSize: number, trainingRows: number): number {
  return Math.min(batchSize, trainingRows);
}

/** What a model of this size trains, counted without making it. */
export function parameterCount(
  { dimension: d, historyPlaces, evidence }: ModelSize & Pick<RunOptions, 'evidence'>,
  catalogue: Catalogue,
): number {
  const { vocabulary, itemTokens, branches } = catalogue;
  return (
    networkSize({ dimension: d, historyPlaces }) +
    d * (vocabulary.size + itemTokens.length + branches.count + branches.edgeCount) +
    branches.edgeCount +
    6 * channelCount(evidence)
  );
}

function searchRows(beamWidth: number, { trie }: Catalogue): number {
  return SEARCHED_USERS * Math.min(beamWidth, trie.leafCount);
}

function requireBytes(parts: readonly [option: keyof RunOptions, bytes: number][], options: RunOptions): void {
  const total = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  if (total <= MOST_BYTES) return;
  const [largest] = parts.reduce((most, part) => (part[1] > most[1] ? part : most));
  throw new RangeError(
    `these options need about ${gibibytes(total)} GiB of memory, at most ${gibibytes(MOST_BYTES)} are allowed: most of it is for ` +
      `${flagOf(largest)} ${options[largest]}`,
  );
}

function gibibytes(bytes: number): string {
  const value = bytes / 2 ** 30;
  return value < 1e6 ? value.toFixed(value < 10 ? 1 : 0) : value.toExponential(0);
}
