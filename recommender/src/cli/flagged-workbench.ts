import type { RunOptions } from '../training/run-options.js';
import type { Workbench } from '../training/workbench.js';
import { runOptionsOf } from './run-flags.js';

export interface DataFlags extends Record<string, unknown> {
  data: string;
  codes?: string;
  wordVectors?: string;
}

/** What the flags of `train` and `compare` ask for: data with their options. */
export async function flaggedWorkbench(flags: DataFlags): Promise<{ workbench: Workbench; options: RunOptions }> {
  const { loadDataset, openWorkbench, readWordVectors } = await import('../index.js');
  const dataset = loadDataset(flags.data, flags);
  const options = runOptionsOf(flags, dataset);
  if (flags.wordVectors !== undefined) {
    const { titles, isUntitled, description } = dataset;
    if (isUntitled)
      throw new Error(`--word-vectors has no effect with items without titles, as those of ${description}`);
    dataset.wordVectors = await readWordVectors(flags.wordVectors, titles.values(), options.dimension);
  }
  return { workbench: await openWorkbench(dataset, options), options };
}
