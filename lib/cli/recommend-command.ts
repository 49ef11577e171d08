import type { Command } from 'commander';
import { count, itemIds, number } from './option-values.js';
import { RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';

interface RecommendFlags {
  run: string;
  history: number[];
  time?: number;
  beamWidth?: number;
}

export function addRecommendCommand(program: Command): void {
  program
    .command('recommend')
    .description('prints the titles that a trained run recommends')
    .requiredOption('--run <run>', 'folder of a run, as train wrote it; its data must still be where it was')
    .requiredOption('--history <ids>', 'item ids, oldest first, separated by commas', itemIds)
    .option('--time <seconds>', 'when, in seconds since 1970 (default: the end of the training data)', number)
    .option('--beam-width <n>', 'how many titles (default: that of the run)', count)
    .action(printRecommendations);
}

async function printRecommendations(flags: RecommendFlags): Promise<void> {
  requirePackages('recommend', RECOMMENDER_PACKAGES);
  const { loadDataset, openBestModel, openWorkbench, readRunHead, recommend } = await import('../recommender/index.js');
  const { options, data } = readRunHead(flags.run);
  const workbench = await openWorkbench(loadDataset(data), options);
  const model = openBestModel(flags.run, workbench, options);
  const { titles } = workbench.dataset;
  const latest = workbench.split.train.reduce((most, { time }) => Math.max(most, time), 0);
  const query = { history: flags.history, time: flags.time ?? latest };
  const best = await recommend(model, query, flags.beamWidth ?? options.beamWidth);
  console.log('History:');
  for (const item of flags.history) console.log(`  ${titles.get(item)}  (item ${item})`);
  console.log('Recommended, with the natural logarithm of the probability:');
  for (const { title, items, score } of best)
    console.log(`  ${score.toFixed(3)}  ${title}  (item ${items.join(', ')})`);
}
