import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type BaselineRanks, rankBaselines } from '../training/baselines.js';
import { requireTrainable } from '../training/memory.js';
import { requireUsableOptions } from '../training/option-check.js';
import { type RunHooks, type RunResult, run } from '../training/run.js';
import { digestOf } from '../training/run-data.js';
import { goingOn, makeRunFolder, readRunFolder, resultFile } from '../training/run-folder.js';
import { differingOption, type RunOptions } from '../training/run-options.js';
import { describeWorkbench, type Workbench } from '../training/workbench.js';
import type { Comparison, Control, HeldOut } from './comparison.js';
import { searchAtEntropyOf } from './control.js';
import { REFERENCE } from './summary.js';
import { type Variant, variantFolder } from './variants.js';
import { REPORT_NAMES } from './write-comparison.js';

export interface ComparisonHooks {
  /** Called before each run that is not there yet. Its hooks are called during the run, `stop` after it. */
  onRun?: (title: string, done: number, total: number) => RunHooks & { stop: () => void };
}

/** Of the runs, within the folder of a comparison. */
export const RUNS_FOLDER = 'runs';

/** What is compared: every variant with every seed. Options that all share, but for what a variant sets. */
export interface ComparisonPlan {
  workbench: Workbench;
  shared: RunOptions;
  variants: readonly Variant[];
  seeds: readonly number[];
  /** The variant at whose entropy the reference's runs are searched as well, when all runs are there. */
  control?: string;
}

/** One of several processes that train the runs of a comparison: the `number`-th of `count`, from 1. */
export interface Part {
  number: number;
  count: number;
}

/**
 * Trains every variant with every seed. A run whose result is in the folder already is not run again, one that was cut off
 * goes on from its last epoch; so a comparison can be stopped, continued and widened. Seeds are the outer loop: variants are
 * comparable at any time.
 *
 * @throws Error, before anything is written, where two variants have one name, or the folder holds a run with other options
 *   or data, or a report of somebody else
 */
export async function compare(plan: ComparisonPlan, folder: string, hooks: ComparisonHooks = {}): Promise<Comparison> {
  requireControl(plan);
  const results = await trainRuns(plan, folder, { number: 1, count: 1 }, hooks);
  return assemble(plan, results, await controlOf(plan, results, (name) => runFolderOf(folder, name)));
}

/**
 * Trains every `count`-th run of the comparison only, as {@link compare} does. Runs are dealt out in their order, so that all
 * parts hold about equally many of each variant.
 *
 * @returns how many runs the part has
 */
export async function comparePart(
  plan: ComparisonPlan,
  folder: string,
  part: Part,
  hooks: ComparisonHooks = {},
): Promise<number> {
  return (await trainRuns(plan, folder, part, hooks)).length;
}

/**
 * The comparison from the results in the folders of its parts. Trains nothing.
 *
 * @param folder where the report will go
 * @throws Error that names the runs which no folder has finished, and where a folder holds one of other options or data, or a
 *   run in two folders has two results
 */
export async function mergeComparisons(
  plan: ComparisonPlan,
  folders: readonly string[],
  folder: string,
): Promise<Comparison> {
  requireComparison(folder);
  requireControl(plan);
  const digest = digestOf(plan.workbench);
  const missing: string[] = [];
  const finishedIn = new Map<string, string>();
  const results = planRuns(plan).map(({ name, options }) => {
    const found = folders.flatMap((folder) => {
      const result = finishedResult(runFolderOf(folder, name), digest, options);
      if (result) finishedIn.set(name, runFolderOf(folder, name));
      return result ?? [];
    });
    const [first, ...others] = found;
    if (first === undefined) missing.push(name);
    else if (others.some((other) => !isDeepStrictEqual(other.test.beamRanks, first.test.beamRanks))) {
      throw new Error(`${name}: has different results in ${folders.join(', ')}`);
    }
    return first;
  });
  if (missing.length > 0) throw new Error(`${folders.join(', ')}: no finished run of ${missing.join(', ')}`);
  const all = results as RunResult[];
  return assemble(plan, all, await controlOf(plan, all, (name) => finishedIn.get(name) as string));
}

async function trainRuns(
  plan: ComparisonPlan,
  folder: string,
  { number, count }: Part,
  hooks: ComparisonHooks,
): Promise<RunResult[]> {
  const { workbench } = plan;
  const planned = planRuns(plan).filter((_, index) => index % count === number - 1);
  requireComparison(folder);
  const digest = digestOf(workbench);
  const finished = planned.map(({ options, name }) => finishedResult(runFolderOf(folder, name), digest, options));
  for (const [index, { options, name }] of planned.entries()) {
    const fresh = { options, data: workbench.dataset.description, dataDigest: digest, metrics: [] };
    await requireUsableOptions(options);
    requireTrainable(options, workbench);
    if (!finished[index]) goingOn(runFolderOf(folder, name), fresh);
  }
  makeRunFolder(join(folder, RUNS_FOLDER));
  const results: RunResult[] = [];
  for (const [index, { variant, options, name }] of planned.entries()) {
    const start = () => hooks.onRun?.(`${variant.name}, seed ${options.seed}`, index, planned.length);
    results.push(finished[index] ?? (await runVariant(workbench, options, runFolderOf(folder, name), start)));
  }
  return results;
}

/** One run as a comparison of itself with the baselines. */
export function comparisonOfRun(workbench: Workbench, result: RunResult): Comparison {
  const variants = [{ name: 'this model', settings: {} }];
  return assemble({ workbench, shared: result.options, variants, seeds: [result.options.seed] }, [result]);
}

/** @param results in the order of the plan */
function assemble(
  { workbench, shared, variants, seeds }: ComparisonPlan,
  results: readonly RunResult[],
  control?: Control,
): Comparison {
  return {
    description: describeWorkbench(workbench),
    options: shared,
    ...describeHeldOut(workbench),
    seeds,
    variants: variants.map(({ name }, place) => ({
      name,
      results: results.filter((_, index) => index % variants.length === place),
    })),
    ...(control && { control }),
  };
}

function requireControl({ control, variants }: ComparisonPlan): void {
  if (control === undefined) return;
  const names = variants.map(({ name }) => name);
  if (control !== REFERENCE && names.includes(control) && names.includes(REFERENCE)) return;
  throw new Error(
    `--control: expected one of the variants beside ${REFERENCE}, which must be one too; got ${control} of ${names.join(' ')}`,
  );
}

/** @param folderOf of a run, by its name */
async function controlOf(
  plan: ComparisonPlan,
  results: readonly RunResult[],
  folderOf: (name: string) => string,
): Promise<Control | undefined> {
  const { workbench, seeds, control } = plan;
  if (control === undefined) return undefined;
  const planned = planRuns(plan);
  const runOf = (variant: string, seed: number) => {
    const index = planned.findIndex((run) => run.variant.name === variant && run.options.seed === seed);
    return { result: results[index] as RunResult, folder: folderOf((planned[index] as PlannedRun).name) };
  };
  const runs = seeds.map((seed) => ({ reference: runOf(REFERENCE, seed), contender: runOf(control, seed) }));
  return searchAtEntropyOf(workbench, control, runs);
}

/** The report must not replace files of somebody else. */
function requireComparison(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const report = names.find((name) => REPORT_NAMES.includes(name));
  if (report === undefined || names.includes(RUNS_FOLDER)) return;
  // A merge leaves a whole report and no runs.
  if (REPORT_NAMES.every((name) => names.includes(name))) return;
  throw new Error(`${folder}: holds ${report} but no runs of a comparison; give another folder`);
}

interface PlannedRun {
  variant: Variant;
  options: RunOptions;
  /** Of its folder. */
  name: string;
}

function planRuns({ shared, variants, seeds }: ComparisonPlan): PlannedRun[] {
  const names = variants.map(variantFolder);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) throw new Error(`two variants have the name ${double}`);
  return seeds.flatMap((seed) =>
    variants.map((variant) => ({
      variant,
      options: { ...shared, ...variant.settings, seed },
      name: `${variantFolder(variant)}-seed-${seed}`,
    })),
  );
}

function runFolderOf(folder: string, name: string): string {
  return join(folder, RUNS_FOLDER, name);
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

function describeHeldOut(workbench: Workbench): Pick<Comparison, 'validation' | 'test'> {
  const { validation, test } = workbench.split;
  const [ofValidation = [], ofTest = []] = rankBaselines(workbench, validation, test);
  const heldOut = (rows: typeof test, baselines: BaselineRanks[]): HeldOut => ({
    users: rows.map(({ user }) => user),
    baselines,
  });
  return { validation: heldOut(validation, ofValidation), test: heldOut(test, ofTest) };
}
