import type { Command } from 'commander';
import { DEFAULT_VARIANTS, parseVariant } from '../recommender/variants.js';
import { count } from './option-values.js';
import { RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { addRunFlags, runOptionsOf } from './run-flags.js';

interface CompareFlags extends Record<string, unknown> {
  data: string;
  out: string;
  variants: string[];
  seeds: number;
}

export function addCompareCommand(program: Command): void {
  const command = program
    .command('compare')
    .description('trains several losses with several seeds and writes a report; can be stopped and gone on with')
    .requiredOption('--data <folder>', 'folder with id2name4Rec.json and train.csv, as the BEAR authors publish them')
    .requiredOption('--out <folder>', 'folder for the runs and the report')
    .option(
      '--variants <list...>',
      'sft, msl or PENALTY[,lambda=..][,xi=..][,margin=..][,B=..][,flow]',
      DEFAULT_VARIANTS,
    )
    .option('--seeds <n>', 'runs of each variant, with seeds 1 to n', count, 5);
  addRunFlags(command).action(runComparison);
}

async function runComparison(flags: CompareFlags): Promise<void> {
  const variants = flags.variants.map(parseVariant);
  requirePackages('compare', RECOMMENDER_PACKAGES);
  const { compare, describeWorkbench, loadDataset, openWorkbench } = await import('../recommender/index.js');
  const { runProgress } = await import('./progress.js');
  const options = runOptionsOf(flags);
  const workbench = await openWorkbench(loadDataset(flags.data), options);
  console.log(describeWorkbench(workbench));
  const seeds = Array.from({ length: flags.seeds }, (_, index) => index + 1);
  await compare(workbench, options, variants, seeds, flags.out, {
    onRun: (title, done, total) => runProgress(`${done + 1}/${total} ${title}`),
  });
}
