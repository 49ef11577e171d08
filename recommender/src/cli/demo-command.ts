import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { capabilities } from 'fused-bear-loss';
import { parseVariant } from '../comparison/variants.js';
import type { Dataset } from '../data/dataset.js';
import type { RunHooks } from '../training/run.js';
import { DEFAULT_RUN_OPTIONS, type RunOptions } from '../training/run-options.js';
import { commandLine, version } from './command-line.js';
import { drawn } from './drawn-table.js';
import { count, path } from './option-values.js';
import { PLOT_PACKAGES, RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { print } from './terminal.js';

interface DemoFlags {
  data?: string;
  epochs?: number;
  threads?: number;
  smoke?: boolean;
}

/** No penalty, the default of `fusedBearLoss` and that of `train`. None was chosen on these data. */
const VARIANTS = ['msl', 'hinge,lambda=0.25', 'log-sigmoid,lambda=4'].map(parseVariant);
const SEEDS = [1, 2];
const SYNTHETIC_SEED = 1;
/** The network alone, in the setting of the paper: it writes titles, and nothing is counted for it. */
const SHARED: Partial<RunOptions> = { evidence: 'none', itemTokens: 'titles' };
/** What two cores train in two minutes. */
const FULL = {
  synthetic: { items: 800, users: 1200, purchases: 13 },
  options: { epochs: 8, batchSize: 32, dimension: 32, dropout: 0.2 },
};
/** Every part of the full demo, in seconds. */
const SMOKE = {
  synthetic: { items: 300, users: 120, purchases: 10 },
  options: { epochs: 2, dimension: 16, historyPlaces: 5, trainRows: 512, testRows: 64 },
};

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('trains the recommender with and without the BEAR penalty and compares what beam search finds')
    .option(
      '--data <folder>',
      'folder with id2name4Rec.json and train.csv, as the BEAR authors publish them (default: data that it makes up)',
      path,
    )
    .option('--epochs <n>', `most epochs of each training (default: ${DEFAULT_RUN_OPTIONS.epochs})`, count)
    .option('--threads <n>', 'threads of the loss; results do not depend on it (default: all)', count)
    .option('--smoke', 'a tiny run on synthetic data that only shows that everything works')
    .action(demonstrate);
}

const PROCESS =
  '  The kind of product that comes next depends on the last two kinds and their order, its brand on the user. Counts of pairs\n' +
  '  hold each of these in part only. The process and its numbers: recommender/README.md, "The demo".';
const LOSSES =
  'Losses: msl is cross-entropy over the tokens that the catalogue allows; the others are BEAR, msl with a penalty: hinge, and the\n' +
  'log-sigmoid of the paper. The model has no counts to look at (--evidence none).';

async function demonstrate(flags: DemoFlags): Promise<void> {
  requirePackages('demo', [...RECOMMENDER_PACKAGES, ...PLOT_PACKAGES]);
  const started = performance.now();
  const {
    compare,
    describeWorkbench,
    differenceTable,
    figuresTable,
    notes,
    openWorkbench,
    RUNS_FOLDER,
    summarize,
    verdictOf,
    writeComparison,
  } = await import('../index.js');
  const { epochs, threads, smoke = false } = flags;
  const shared: RunOptions = {
    ...DEFAULT_RUN_OPTIONS,
    ...SHARED,
    ...(smoke ? SMOKE : FULL).options,
    ...(epochs !== undefined && { epochs }),
    ...(threads !== undefined && { threads }),
  };
  const workbench = await openWorkbench(await openData(flags), shared);
  print(describeWorkbench(workbench));
  if (flags.data === undefined) print(PROCESS);
  const native = capabilities();
  print(LOSSES);
  print(`Loss: native, ${native.instructionSet}, ${threads ?? native.threads} threads. Model: jax-js on WebAssembly.`);
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-demo-'));
  await removedIfCutOff(folder, async () => {
    const { runProgress } = await import('./progress.js');
    const onRun = (title: string, done: number, total: number): RunHooks & { stop: () => void } =>
      runProgress(`${done + 1}/${total} ${title}`);
    const summary = summarize(
      await compare({ workbench, shared, variants: VARIANTS, seeds: SEEDS }, folder, { onRun }),
    );
    if (smoke) print('\nA smoke run: it shows that everything works, its figures mean nothing.');
    for (const table of [figuresTable(summary, 'test'), differenceTable(summary, 'test')]) {
      print(`\n${table.title}\n${await drawn(table)}`);
    }
    for (const note of notes(summary)) print(`\n${note}`);
    print(`\n${verdictOf(summary).sentences.join('\n')}`);
    const report = await writeComparison(folder, summary, { command: commandLine(), version });
    // What it took to get there is not what somebody keeps of a demo.
    rmSync(join(folder, RUNS_FOLDER), { recursive: true });
    print(`\nReport with pictures: ${report}`);
  });
  print(`Total: ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

async function openData({ data, smoke = false }: DemoFlags): Promise<Dataset> {
  const { loadDataset, syntheticDataset } = await import('../index.js');
  if (data !== undefined) return loadDataset(data);
  return syntheticDataset((smoke ? SMOKE : FULL).synthetic, SYNTHETIC_SEED);
}

/** Leaves nothing behind of what was interrupted or has failed. */
async function removedIfCutOff(folder: string, use: () => Promise<void>): Promise<void> {
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // Before the handler of the progress bar, which ends the process.
  process.once('SIGINT', remove);
  try {
    await use();
  } catch (cause) {
    remove();
    throw cause;
  } finally {
    process.removeListener('SIGINT', remove);
  }
}
