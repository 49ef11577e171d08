import type { Command } from 'commander';
import { hitRatioAt, ndcgAt, pruningRate } from '../decoding/index.js';
import type { RunResult } from '../recommender/run.js';
import { RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { addLossFlags, addRunFlags, runOptionsOf } from './run-flags.js';

interface TrainFlags extends Record<string, unknown> {
  data: string;
  out: string;
  resume?: boolean;
}

export function addTrainCommand(program: Command): void {
  const command = program
    .command('train')
    .description('trains the recommender and tests it')
    .requiredOption('--data <folder>', 'folder with id2name4Rec.json and train.csv, as the BEAR authors publish them')
    .requiredOption('--out <run>', 'folder for checkpoints, metrics and the result')
    .option('--resume', 'go on with the run in that folder');
  addLossFlags(addRunFlags(command)).action(train);
}

async function train(flags: TrainFlags): Promise<void> {
  requirePackages('train', RECOMMENDER_PACKAGES);
  const { describeWorkbench, loadDataset, openWorkbench, run } = await import('../recommender/index.js');
  const { runProgress } = await import('./progress.js');
  const options = runOptionsOf(flags);
  const workbench = await openWorkbench(loadDataset(flags.data), options);
  console.log(describeWorkbench(workbench));
  const { stop, ...hooks } = runProgress(options.loss === 'bear' ? `bear, ${options.penalty}` : options.loss);
  try {
    const result = await run(workbench, options, flags.out, { ...hooks, resume: flags.resume === true });
    stop();
    console.log(resultLines(result, options.beamWidth));
  } finally {
    stop();
  }
}

function resultLines({ bestEpoch, test, parameterCount }: RunResult, beamWidth: number): string {
  const { rate, pruned, eligible } = pruningRate(test.exactRanks, test.beamRanks, beamWidth);
  const usersPerSecond = (1000 * test.beamRanks.length) / test.searchMilliseconds;
  return [
    `Best epoch: ${bestEpoch}, of ${parameterCount} parameters. On ${test.beamRanks.length} test rows:`,
    `  HitRatio@10 ${hitRatioAt(test.beamRanks, 10).toFixed(4)}, NDCG@10 ${ndcgAt(test.beamRanks, 10).toFixed(4)}`,
    `  pruning rate ${(100 * rate).toFixed(1)} % (${pruned} of ${eligible} rows whose item is among the exact best ${beamWidth})`,
    `  beam search: ${usersPerSecond.toFixed(0)} users a second`,
  ].join('\n');
}
