import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { capabilities } from 'fused-bear-loss';
import { parseVariant } from '../comparison/variants.js';
import type { RunHooks } from '../training/run.js';
import { commandLine, version } from './command-line.js';
import { drawn } from './drawn-table.js';
import { count, path } from './option-values.js';
import { PLOT_PACKAGES, RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { DATA_FOLDER, runOptionsOf } from './run-flags.js';
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
/** On made-up data the network alone, in the setting of the paper: it writes titles, and nothing is counted for it. */
const ALONE = { evidence: 'none', itemTokens: 'titles' } as const;
/** What two cores train in two minutes. */
const FULL = {
  synthetic: { items: 800, users: 1200, purchases: 13 },
  options: { ...ALONE, epochs: 8, batchSize: 32, dimension: 32, dropout: 0.2 },
};
/** Every part of the full demo, in seconds. */
const SMOKE = {
  synthetic: { items: 300, users: 120, purchases: 10 },
  options: { ...ALONE, epochs: 2, dimension: 16, historyPlaces: 5, trainRows: 512, testRows: 64 },
};

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('trains the recommender with and without the BEAR penalty and compares what beam search finds')
    .option('--data <folder>', `${DATA_FOLDER} (default: data that it makes up)`, path)
    .option(
      '--epochs <n>',
      `most epochs of each training (default: ${FULL.options.epochs}; as train with --data)`,
      count,
    )
    .option('--threads <n>', 'threads of the loss; results do not depend on it (default: all)', count)
    .option('--smoke', 'a tiny run on synthetic data that only shows that everything works')
    .action(demonstrate);
}

const PROCESS =
  '  The kind of product that comes next depends on the last two kinds and their order, its brand on the user. Counts of pairs\n' +
  '  hold each of these in part only. The process and its numbers: recommender/README.md, "The demo".\n' +
  '  The model learns from titles and purchases alone: no counts are added to its logits.';
const LOSSES =
  'Losses: msl is cross-entropy over the tokens that the catalogue allows; the others are BEAR, msl with a penalty: hinge, and the\n' +
  'log-sigmoid of the paper.';

async function demonstrate(flags: DemoFlags): Promise<void> {
  requirePackages('demo', [...RECOMMENDER_PACKAGES, ...PLOT_PACKAGES]);
  const started = performance.now();
  const {
    compare,
    describeWorkbench,
    differenceTable,
    figuresTable,
    loadDataset,
    notes,
    openWorkbench,
    RUNS_FOLDER,
    summarize,
    syntheticDataset,
    verdictOf,
    writeComparison,
  } = await import('../index.js');
  const { data, epochs, threads, smoke = false } = flags;
  const { synthetic, options } = smoke ? SMOKE : FULL;
  const dataset = data === undefined ? syntheticDataset(synthetic, SYNTHETIC_SEED) : loadDataset(data);
  const given = { ...(epochs !== undefined && { epochs }), ...(threads !== undefined && { threads }) };
  const shared = runOptionsOf({ ...(data === undefined || smoke ? options : {}), ...given }, dataset);
  const workbench = await openWorkbench(dataset, shared);
  print(describeWorkbench(workbench));
  if (data === undefined) print(PROCESS);
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
