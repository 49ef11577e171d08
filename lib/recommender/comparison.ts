import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from './atomic-file.js';
import { BASELINES, baselineRanks } from './baselines.js';
import { RESULT_FILE, type RunHooks, type RunResult, run } from './run.js';
import { differingOption, type RunOptions } from './run-options.js';
import { type Variant, variantFolder } from './variants.js';
import { describeWorkbench, type Workbench } from './workbench.js';

/** What the rows of a held-out part are, and how the baselines rank their targets. */
export interface HeldOut {
  users: number[];
  baselines: { name: string; ranks: number[] }[];
}

export interface Comparison {
  /** Of the data, in a few lines. */
  description: string;
  validation: HeldOut;
  test: HeldOut;
  variants: { name: string; results: RunResult[] }[];
}

const FRAME_FILE = 'data.json';

export interface ComparisonHooks {
  /** Called before each run that is not there yet. Its hooks are called during the run, `stop` after it. */
  onRun?: (title: string, done: number, total: number) => RunHooks & { stop: () => void };
}

/**
 * Trains every variant with every seed. A run whose result is in the folder already is not run again, one that was cut off
 * goes on from its last epoch; so a comparison can be stopped, continued and widened. Seeds are the outer loop: variants are
 * comparable at any time.
 */
export async function compare(
  workbench: Workbench,
  shared: RunOptions,
  variants: readonly Variant[],
  seeds: readonly number[],
  folder: string,
  hooks: ComparisonHooks = {},
): Promise<Comparison> {
  mkdirSync(join(folder, 'runs'), { recursive: true });
  const frame = describeHeldOut(workbench);
  writeAtomically(join(folder, FRAME_FILE), [JSON.stringify(frame)]);
  const compared = variants.map(({ name }) => ({ name, results: [] as RunResult[] }));
  let done = 0;
  for (const seed of seeds) {
    for (const [index, variant] of variants.entries()) {
      const options: RunOptions = { ...shared, ...variant.settings, seed };
      const runFolder = join(folder, 'runs', `${variantFolder(variant)}-seed-${seed}`);
      const result =
        finishedResult(runFolder, workbench, options) ??
        (await runVariant(workbench, options, runFolder, () =>
          hooks.onRun?.(`${variant.name}, seed ${seed}`, done, seeds.length * variants.length),
        ));
      compared[index]?.results.push(result);
      done++;
    }
  }
  return { ...frame, variants: compared };
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
function finishedResult(folder: string, { dataset }: Workbench, options: RunOptions): RunResult | undefined {
  const file = join(folder, RESULT_FILE);
  if (!existsSync(file)) return undefined;
  const result = JSON.parse(readFileSync(file, 'utf8')) as RunResult;
  const difference = differingOption(result.options, options);
  if (difference) throw new Error(`${file}: the result of other options: ${difference}`);
  if (result.data !== dataset.description) throw new Error(`${file}: the result of other data: ${result.data}`);
  return result;
}

function describeHeldOut(workbench: Workbench): Pick<Comparison, 'description' | 'validation' | 'test'> {
  const { split, catalogue } = workbench;
  const scorers = BASELINES.map(({ name, scorer }) => ({ name, scorer: scorer(split.train) }));
  const heldOut = (rows: typeof split.test): HeldOut => ({
    users: rows.map(({ user }) => user),
    baselines: scorers.map(({ name, scorer }) => ({ name, ranks: baselineRanks(scorer, rows, catalogue.trie) })),
  });
  return {
    description: describeWorkbench(workbench),
    validation: heldOut(split.validation),
    test: heldOut(split.test),
  };
}
