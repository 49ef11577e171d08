import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { capabilities } from 'fused-bear-loss';
import type { Dataset } from '../data/dataset.js';
import { cutoffsOf } from '../data/protocols.js';
import { DEFAULT_LAMBDAS, type LossSettings } from '../training/losses.js';
import type { RunResult } from '../training/run.js';
import { DEFAULT_RUN_OPTIONS, type RunOptions } from '../training/run-options.js';
import type { Workbench } from '../training/workbench.js';
import { count, path } from './option-values.js';
import { RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { print } from './terminal.js';

interface DemoFlags {
  data?: string;
  epochs?: number;
  threads?: number;
  smoke?: boolean;
}

const LOSSES: readonly { name: string; settings: Partial<LossSettings> }[] = [
  { name: 'MSL', settings: { loss: 'msl' } },
  { name: 'BEAR, hinge', settings: { loss: 'bear', penalty: 'hinge', lambda: DEFAULT_LAMBDAS.hinge } },
  // As chosen on the validation rows of Office: docs/experiment.md.
  { name: 'BEAR, log-sigmoid, lambda 16', settings: { loss: 'bear', penalty: 'log-sigmoid', lambda: 16 } },
  { name: "BEAR, the authors' code", settings: { loss: 'bear', penalty: 'reweight', lambda: 0.25, xi: 2.75 } },
];
const SYNTHETIC_SEED = 1;
const FULL = { synthetic: { items: 800, users: 1200, purchases: 13 }, options: {} };
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

async function demonstrate(flags: DemoFlags): Promise<void> {
  requirePackages('demo', RECOMMENDER_PACKAGES);
  const started = performance.now();
  const { describeWorkbench, openWorkbench } = await import('../index.js');
  const { baselineLines, resultsTable, modelLine, noiseStatement } = await import('./results-table.js');
  const { epochs, threads, smoke = false } = flags;
  const options: RunOptions = {
    ...DEFAULT_RUN_OPTIONS,
    ...(smoke ? SMOKE : FULL).options,
    ...(epochs !== undefined && { epochs }),
    ...(threads !== undefined && { threads }),
  };
  const workbench = await openWorkbench(await openData(flags), options);
  print(describeWorkbench(workbench));
  const native = capabilities();
  print(`Loss: native, ${native.instructionSet}, ${threads ?? native.threads} threads. Model: jax-js on WebAssembly.`);
  const lines = baselineLines(workbench);
  for (const { name, settings } of LOSSES) {
    lines.push(modelLine(name, await trainAndTest(name, workbench, { ...options, ...settings })));
  }
  if (smoke) print('\nA smoke run: it shows that everything works, its figures mean nothing.');
  print(`\n${workbench.split.test.length} test rows, seed ${options.seed}, beam width ${options.beamWidth}.`);
  print(resultsTable(lines, cutoffsOf(options)));
  print(noiseStatement(lines));
  print(`Total: ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

async function openData({ data, smoke = false }: DemoFlags): Promise<Dataset> {
  const { loadDataset, syntheticDataset } = await import('../index.js');
  if (data !== undefined) return loadDataset(data);
  return syntheticDataset((smoke ? SMOKE : FULL).synthetic, SYNTHETIC_SEED);
}

async function trainAndTest(name: string, workbench: Workbench, options: RunOptions): Promise<RunResult> {
  const { run } = await import('../index.js');
  const { runProgress } = await import('./progress.js');
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-demo-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // Before the handler of the progress bar, which ends the process.
  process.once('SIGINT', remove);
  const { stop, ...hooks } = runProgress(name);
  try {
    return await run(workbench, options, folder, hooks);
  } finally {
    stop();
    process.removeListener('SIGINT', remove);
    remove();
  }
}
