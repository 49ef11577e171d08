import { beamSearch } from 'fused-bear-loss/decoding';
import { buildCatalogue } from '../data/catalogue.js';
import { type ItemCodes, tokenizeByCode } from '../data/code-index.js';
import type { Query } from '../data/dataset.js';
import { startDevice } from '../model/device.js';
import { Evidence } from '../model/evidence.js';
import { Recommender } from '../model/model.js';
import { makeSearchStep } from '../model/search-step.js';
import { loadCheckpoint } from './checkpoint.js';
import { requireLoadable } from './memory.js';
import { readSearchableRun } from './run-folder.js';
import type { RunOptions } from './run-options.js';

/** A run's model with the parameters of its best epoch. */
export interface TrainedRun {
  model: Recommender;
  options: RunOptions;
  /** Just after the last training row, in seconds since 1970. */
  endOfTraining: number;
}

/**
 * Reads only the run's folder, not the data that it was trained on.
 *
 * @throws Error that names the file and what to do, where one is missing, damaged or of another run
 */
export async function openTrainedRun(folder: string): Promise<TrainedRun> {
  const { best, data } = readSearchableRun(folder);
  const { options } = best.state;
  const { titles, codes, train } = data;
  await startDevice();
  const catalogue = await buildCatalogue(titles, codes && tokenizeByCode(codes));
  requireLoadable(options, catalogue, best.file);
  const model = new Recommender(catalogue, new Evidence(catalogue, train, options.evidence), options, options.seed);
  loadCheckpoint(best, model);
  return { model, options, endOfTraining: train.reduce((latest, { time }) => Math.max(latest, time), 0) + 1 };
}

/** @throws Error where the run has none, and as {@link openTrainedRun} */
export function codesOfRun(folder: string): ItemCodes {
  const { codes } = readSearchableRun(folder).data;
  if (!codes) throw new Error(`${folder}: its items have no codes, as it was trained with --item-tokens titles`);
  return codes;
}

export interface Recommendation {
  /** Of the item; where items share a code, the different titles of all of them. */
  title: string;
  /** Item ids with this title or code. */
  items: number[];
  /** Natural logarithm of the probability of the title or code. */
  logProbability: number;
}

/**
 * The best items for one query, best first.
 *
 * @param temperature divides the logits, as `beamSearch` has it
 * @throws Error where the history has an item that is not in the catalogue
 */
export async function recommend(
  model: Recommender,
  query: Query,
  beamWidth: number,
  temperature = 1,
): Promise<Recommendation[]> {
  const { titles, indexOf, trie } = model.catalogue;
  const unknown = query.history.find((item) => !indexOf.has(item));
  if (unknown !== undefined) throw new Error(`history: item ${unknown} is not in the catalogue`);
  const step = await makeSearchStep(model, [query]);
  const [ranking = []] = await beamSearch({ step, trie, users: 1, beamWidth, maxResults: beamWidth, temperature });
  return ranking.map(({ items, logProbability }) => ({
    title: [...new Set([...items].map((item) => titles.get(item) as string))].join(' | '),
    items: [...items],
    logProbability,
  }));
}
