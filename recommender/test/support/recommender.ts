import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CATALOGUE_FILE, type Dataset, ROWS_FILE } from '../../src/data/dataset';
import { syntheticDataset } from '../../src/data/synthetic-data';
import type { EvidenceKind } from '../../src/model/evidence';
import { Recommender } from '../../src/model/model';
import { DEFAULT_RUN_OPTIONS, type RunOptions } from '../../src/training/run-options';
import { openWorkbench, type Workbench } from '../../src/training/workbench';

/** Data so small that an epoch takes a fraction of a second. */
export const TINY_DATASET = syntheticDataset({ items: 30, users: 20, purchases: 7 }, 5);
export const TINY_PLACES = 4;

export function openTinyWorkbench(evidence: EvidenceKind = 'counts'): Promise<Workbench> {
  return openWorkbench(TINY_DATASET, { split: 'user', evidence });
}

export function tinyModel({ catalogue, evidence }: Workbench, dimension: number, seed = 1): Recommender {
  return new Recommender(catalogue, evidence, { dimension, historyPlaces: TINY_PLACES }, seed);
}

/** A run of a second, that prunes: a beam of 3 among 30 items. */
export const TINY_RUN: RunOptions = {
  ...DEFAULT_RUN_OPTIONS,
  itemTokens: 'titles',
  penalty: 'hinge',
  lambda: 0.25,
  dimension: 4,
  historyPlaces: TINY_PLACES,
  batchSize: 32,
  beamWidth: 3,
  lossBeamWidth: 3,
  learningRate: 0.03,
  dropout: 0.2,
  epochs: 3,
  patience: 3,
};

/** Calls `use` with a folder of its own, which is gone afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-test-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes a dataset as the files that `loadDataset` reads. */
export function writeDataFolder(folder: string, { titles, rows }: Dataset): void {
  const lines = rows.map(
    ({ user, history, target, time }) => `${user},"[${[...history, target].join(', ')}]",${time}\n`,
  );
  writeFileSync(join(folder, CATALOGUE_FILE), JSON.stringify(Object.fromEntries(titles)));
  writeFileSync(join(folder, ROWS_FILE), `user_id,item_ids,timestamp\n${lines.join('')}`);
}

/** Writes the users' histories and a code of two tokens for each item, as MiniOneRec and APAO publish theirs. */
export function writeHistoryFolder(folder: string, { titles, rows }: Dataset): void {
  // The last row of a user has the longest history.
  const histories = Object.fromEntries(rows.map(({ user, history, target }) => [user, [...history, target]]));
  const codes = [...titles.keys()].map((item) => [item, [`<a_${item % 6}>`, `<b_${Math.floor(item / 6)}>`]]);
  writeFileSync(join(folder, 'Tiny.inter.json'), JSON.stringify(histories));
  writeFileSync(join(folder, 'Tiny.index.json'), JSON.stringify(Object.fromEntries(codes)));
}

/** What the files of a folder hold, to see that nothing was written. */
export function contentOf(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]));
}
