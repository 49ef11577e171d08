import type { Command } from 'commander';
import { cutoffsOf } from '../data/protocols.js';
import { commandLine, version } from './command-line.js';
import { type DataFlags, flaggedWorkbench } from './flagged-workbench.js';
import { path } from './option-values.js';
import { PLOT_PACKAGES, RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { addLossFlags, addRunFlags, DATA_FOLDER, requireNoConflict } from './run-flags.js';
import { print } from './terminal.js';

interface TrainFlags extends DataFlags {
  out: string;
  resume?: boolean;
}

export function addTrainCommand(program: Command): void {
  const command = program
    .command('train')
    .description('trains the recommender and tests it')
    .requiredOption('--data <folder>', DATA_FOLDER, path)
    .requiredOption('--out <run>', 'folder for checkpoints, metrics and the result', path)
    .option('--resume', 'go on with the run in that folder, if there is one');
  addRunFlags(addLossFlags(command)).action(train);
}

async function train(flags: TrainFlags, command: Command): Promise<void> {
  requireNoConflict(command);
  requirePackages('train', [...RECOMMENDER_PACKAGES, ...PLOT_PACKAGES]);
  const started = performance.now();
  const { comparisonOfRun, describeWorkbench, run, summarize, verdictOf, writeRunReport } = await import('../index.js');
  const { runProgress } = await import('./progress.js');
  const { baselineLines, describeResult, modelLine, resultsTable, seconds } = await import('./results-table.js');
  const { workbench, options } = await flaggedWorkbench(flags);
  print(describeWorkbench(workbench));
  const { stop, ...hooks } = runProgress(options.loss === 'bear' ? `bear, ${options.penalty}` : options.loss);
  try {
    const result = await run(workbench, options, flags.out, { ...hooks, resume: flags.resume === true });
    stop();
    print(describeResult(result));
    print(resultsTable([...baselineLines(workbench), modelLine('this model', result)], cutoffsOf(options)));
    const summary = summarize(comparisonOfRun(workbench, result));
    const { countingWins, sentences } = verdictOf(summary);
    print(`${countingWins ? 'Warning: ' : ''}${sentences.join('\n')}`);
    print(`Report: ${await writeRunReport(flags.out, summary, { command: commandLine(), version })}`);
  } finally {
    stop();
  }
  print(`Total: ${seconds(performance.now() - started)}. recommend --run ${flags.out} uses the model.`);
}
