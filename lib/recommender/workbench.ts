import { buildCatalogue, type Catalogue } from './catalogue.js';
import type { Dataset } from './dataset.js';
import { startDevice } from './device.js';
import { Evidence } from './evidence.js';
import { type Split, type SplitOptions, splitDataset } from './splits.js';

/** What runs on the same data share. */
export interface Workbench {
  dataset: Dataset;
  catalogue: Catalogue;
  split: Split;
  evidence: Evidence;
}

export async function openWorkbench(dataset: Dataset, options: SplitOptions): Promise<Workbench> {
  const split = splitDataset(dataset, options);
  const catalogue = await buildCatalogue(dataset.titles);
  await startDevice();
  return { dataset, catalogue, split, evidence: new Evidence(catalogue, split.train) };
}

/** The data in a few lines, with what is not clean about it. */
export function describeWorkbench({ dataset, catalogue, split }: Workbench): string {
  const { titles, description } = dataset;
  const { vocabulary, itemsWithSharedTitle, branches } = catalogue;
  const users = (rows: readonly { user: number }[]) => new Set(rows.map(({ user }) => user)).size;
  const part = (name: string, rows: readonly { user: number }[]) =>
    `${rows.length} ${name} rows of ${users(rows)} users`;
  const lines = [
    `Data: ${description}`,
    `  ${titles.size} items, ${vocabulary.size} tokens, ${vocabulary.choices} of them where there is a choice, ` +
      `${branches.count} prefixes that leave one`,
    `  ${part('training', split.train)}, ${part('validation', split.validation)}, ${part('test', split.test)}`,
  ];
  if (itemsWithSharedTitle > 0) {
    lines.push(`  Warning: ${itemsWithSharedTitle} items share a title with another; a hit on any of them is a hit.`);
  }
  const empty = [...titles.values()].filter((title) => title === '').length;
  if (empty > 0) lines.push(`  Warning: ${empty} ${empty === 1 ? 'item has' : 'items have'} an empty title.`);
  return lines.join('\n');
}
