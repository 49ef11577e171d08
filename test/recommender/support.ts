import type { Recommender } from '../../lib/recommender/model';
import { Recommender as Model } from '../../lib/recommender/model';
import { syntheticDataset } from '../../lib/recommender/synthetic-data';
import { openWorkbench, type Workbench } from '../../lib/recommender/workbench';

/** Data so small that an epoch takes a fraction of a second. */
export const TINY_DATASET = syntheticDataset({ items: 30, users: 20, purchases: 7 }, 5);
export const TINY_PLACES = 4;

export function openTinyWorkbench(): Promise<Workbench> {
  return openWorkbench(TINY_DATASET, { split: 'user' });
}

export function tinyModel({ catalogue, evidence }: Workbench, dimension: number, seed = 1): Recommender {
  return new Model(catalogue, evidence, { dimension, historyPlaces: TINY_PLACES }, seed);
}
