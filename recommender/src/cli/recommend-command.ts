import type { Command } from 'commander';
import { count, itemIds, number, path } from './option-values.js';
import { RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { oneLine, print } from './terminal.js';

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
    .requiredOption('--run <run>', 'folder of a run, as train wrote it', path)
    .requiredOption('--history <ids>', 'item ids, oldest first, separated by commas', itemIds)
    .option('--time <seconds>', 'when, in seconds since 1970 (default: the end of the training data)', number)
    .option('--beam-width <n>', 'how many titles (default: that of the run)', count)
    .action(printRecommendations);
}

async function printRecommendations({ run, history, time, beamWidth }: RecommendFlags): Promise<void> {
  requirePackages('recommend', RECOMMENDER_PACKAGES);
  const { openTrainedRun, recommend, searchTemperatureOf } = await import('../index.js');
  const { model, options, endOfTraining } = await openTrainedRun(run);
  const query = { history, time: time ?? endOfTraining };
  const best = await recommend(model, query, beamWidth ?? options.beamWidth, searchTemperatureOf(options));
  print('History:');
  for (const item of history) print(`  ${oneLine(model.catalogue.titles.get(item) as string)}  (item ${item})`);
  print('Recommended, with the natural logarithm of the probability:');
  for (const { title, items, logProbability } of best) {
    print(`  ${logProbability.toFixed(3)}  ${oneLine(title)}  (item ${items.join(', ')})`);
  }
}
