import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BaselineRanks, rankBaselines } from '../training/baselines.js';
import { requireTrainable } from '../training/memory.js';
import { requireUsableOptions } from '../training/option-check.js';
import { type RunHooks, type RunResult, run } from '../training/run.js';
import { digestOf } from '../training/run-data.js';
import { goingOn, makeRunFolder, readRunFolder, resultFile } from '../training/run-folder.js';
import { differingOption, type RunOptions } from '../training/run-options.js';
import { describeWorkbench, type Workbench } from '../training/workbench.js';
import type { Comparison, HeldOut } from './comparison.js';
import { type Variant, variantFolder } from './variants.js';
import { REPORT_NAMES } from './write-comparison.js';

export interface ComparisonHooks {
  /** Called before each run that is not there yet. Its hooks are called during the run, `stop` after it. */
  onRun?: (title: string, done: number, total: number) => RunHooks & { stop: () => void };
}

const RUNS_FOLDER = 'runs';

/**
 * Trains every variant with every seed. A run whose result is in the folder already is not run again, one that was cut off
 * goes on from its last epoch; so a comparison can be stopped, continued and widened. Seeds are the outer loop: variants are
 * comparable at any time.
 *
 * @throws Error, before anything is written, where two variants have one name, or the folder holds a run with other options
 *   or data, or a report of somebody else
 */
export async function compare(
  workbench: Workbench,
  shared: RunOptions,
  variants: readonly Variant[],
  seeds: readonly number[],
  folder: string,
  hooks: ComparisonHooks = {},
): Promise<Comparison> {
  const planned = planRuns(shared, variants, seeds, join(folder, RUNS_FOLDER));
  requireComparison(folder);
  const digest = digestOf(workbench);
  const finished = planned.map(({ options, runFolder }) => finishedResult(runFolder, digest, options));
  for (const [index, { options, runFolder }] of planned.entries()) {
    const fresh = { options, data: workbench.dataset.description, dataDigest: digest, metrics: [] };
    await requireUsableOptions(options);
    requireTrainable(options, workbench);
    if (!finished[index]) goingOn(runFolder, fresh);
  }
  makeRunFolder(join(folder, RUNS_FOLDER));
  const compared = variants.map(({ name }) => ({ name, results: [] as RunResult[] }));
  for (const [index, { variant, options, runFolder }] of planned.entries()) {
    const start = () => hooks.onRun?.(`${variant.name}, seed ${options.seed}`, index, planned.length);
    const result = finished[index] ?? (await runVariant(workbench, options, runFolder, start));
    compared[index % variants.length]?.results.push(result);
  }
  return {
    description: describeWorkbench(workbench),
    options: shared,
    ...describeHeldOut(workbench),
    seeds,
    variants: compared,
  };
}

/** The report must not replace files of somebody else. */
function requireComparison(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const report = names.find((name) => REPORT_NAMES.includes(name));
  if (report === undefined || names.includes(RUNS_FOLDER)) return;
  throw new Error(`${folder}: holds ${report} but no runs of a comparison; give another folder`);
}

interface PlannedRun {
  variant: Variant;
  options: RunOptions;
  runFolder: string;
}

function planRuns(
  shared: RunOptions,
  variants: readonly Variant[],
  seeds: readonly number[],
  folder: string,
): PlannedRun[] {
  const names = variants.map(variantFolder);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) throw new Error(`two variants have the name ${double}`);
  return seeds.flatMap((seed) =>
    variants.map((variant) => ({
      variant,
      options: { ...shared, ...variant.settings, seed },
      runFolder: join(folder, `${variantFolder(variant)}-seed-${seed}`),
    })),
  );
}

async function runVariant(
  workbench: Workbench,
  options: RunOptions,
  folder: string,
  start: () => (RunHooks & { stop: () => void }) | undefined,
): Promise<RunResult> {
  const hooks = start();
  try {
    return await run(workbench, options, folder, { ...hooks, resume: true });
  } finally {
    hooks?.stop();
  }
}

/** @throws Error where the folder holds the result of other options or data */
function finishedResult(folder: string, digest: string, options: RunOptions): RunResult | undefined {
  const { result } = readRunFolder(folder);
  if (!result) return undefined;
  const file = resultFile(folder);
  const difference = differingOption(result.options, options);
  if (difference) throw new Error(`${file}: the result of other options: ${difference}`);
  if (result.dataDigest !== digest) throw new Error(`${file}: the result of other data: ${result.data}`);
  return result;
}

function describeHeldOut({ split, catalogue }: Workbench): Pick<Comparison, 'validation' | 'test'> {
  const { train, validation, test } = split;
  const [ofValidation = [], ofTest = []] = rankBaselines(train, catalogue.trie, validation, test);
  const heldOut = (rows: typeof test, baselines: BaselineRanks[]): HeldOut => ({
    users: rows.map(({ user }) => user),
    baselines,
  });
  return { validation: heldOut(validation, ofValidation), test: heldOut(test, ofTest) };
}
