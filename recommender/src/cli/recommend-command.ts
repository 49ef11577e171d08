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
    .requiredOption('--run <run>', 'folder of a run, as train wrote it')
    .requiredOption('--history <ids>', 'item ids, oldest first, separated by commas', itemIds)
    .option('--time <seconds>', 'when, in seconds since 1970 (default: the end of the training data)', number)
    .option('--beam-width <n>', 'how many titles (default: that of the run)', count)
    .action(printRecommendations);
}

async function printRecommendations({ run, history, time, beamWidth }: RecommendFlags): Promise<void> {
  requirePackages('recommend', RECOMMENDER_PACKAGES);
  const { openTrainedRun, recommend } = await import('../index.js');
  const { model, options, endOfTraining } = await openTrainedRun(run);
  const query = { history, time: time ?? endOfTraining };
  const best = await recommend(model, query, beamWidth ?? options.beamWidth, options.searchTemperature);
  console.log('History:');
  for (const item of history) console.log(`  ${model.catalogue.titles.get(item)}  (item ${item})`);
  console.log('Recommended, with the natural logarithm of the probability:');
  for (const { title, items, logProbability } of best) {
    console.log(`  ${logProbability.toFixed(3)}  ${title}  (item ${items.join(', ')})`);
  }
}
