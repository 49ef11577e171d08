import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from './atomic-file.js';
import { loadCheckpoint, readCheckpointState, saveCheckpoint, saveParameters } from './checkpoint.js';
import { type Evaluation, evaluate, validationNdcg } from './evaluation.js';
import { lossOptions } from './losses.js';
import { type MarginHistogram, marginHistogram } from './margins.js';
import { Recommender } from './model.js';
import { differingOption, type RunOptions } from './run-options.js';
import { type EpochReport, Trainer, type TrainingOptions } from './training.js';
import type { Workbench } from './workbench.js';

export interface EpochMetrics extends EpochReport {
  /** From 1. */
  epoch: number;
  validationNdcg: number;
}

export interface RunResult {
  options: RunOptions;
  data: string;
  metrics: EpochMetrics[];
  bestEpoch: number;
  parameterCount: number;
  /** Of the best epoch's parameters. */
  validation: Evaluation;
  test: Evaluation;
  /** Of the validation rows, before the first step and by the best epoch's parameters. */
  marginsBefore: MarginHistogram;
  marginsAfter: MarginHistogram;
}

export interface RunHooks {
  onStep?: TrainingOptions['onStep'];
  onEpoch?: (metrics: EpochMetrics) => void;
}

interface RunState {
  options: RunOptions;
  data: string;
  metrics: EpochMetrics[];
}

// The files of a run. The checkpoint is the truth; the other files follow from it.
export const CHECKPOINT_FILE = 'checkpoint.safetensors';
export const BEST_FILE = 'best.safetensors';
export const METRICS_FILE = 'metrics.jsonl';
export const RESULT_FILE = 'result.json';

/**
 * Trains, keeps the epoch with the best NDCG@10 on the validation rows, and looks at the test rows once. A run that was cut
 * off at any moment goes on from its last whole epoch, to the same numbers.
 *
 * @throws Error where the folder holds something and `resume` is not set, or a run with other options or data
 */
export async function run(
  workbench: Workbench,
  options: RunOptions,
  folder: string,
  { resume = false, ...hooks }: RunHooks & { resume?: boolean } = {},
): Promise<RunResult> {
  const { catalogue, evidence, split, dataset } = workbench;
  const model = new Recommender(catalogue, evidence, options, options.seed);
  const trainer = new Trainer(model, split.train, {
    ...options,
    loss: lossOptions(options),
    isMasked: options.loss !== 'sft',
    ...(hooks.onStep && { onStep: hooks.onStep }),
  });
  const state = openRun({ options, data: dataset.description, metrics: [] }, folder, resume, model, trainer);
  const initial = new Recommender(catalogue, evidence, options, options.seed);
  const marginsBefore = await marginHistogram(initial, split.validation, options.beamWidth);
  while (!isFinished(state)) {
    const epoch = state.metrics.length;
    const report = await trainer.trainEpoch(epoch);
    const validation = await validationNdcg(model, split.validation, options.beamWidth);
    state.metrics.push({ epoch: epoch + 1, validationNdcg: validation, ...report });
    if (bestEpoch(state.metrics) === epoch + 1) saveParameters(join(folder, BEST_FILE), model, state);
    saveCheckpoint(join(folder, CHECKPOINT_FILE), model, trainer, state);
    writeMetrics(folder, state);
    hooks.onEpoch?.(state.metrics.at(-1) as EpochMetrics);
  }
  loadCheckpoint(join(folder, BEST_FILE), model);
  const result: RunResult = {
    ...state,
    bestEpoch: bestEpoch(state.metrics),
    parameterCount: model.parameterCount,
    validation: await evaluate(model, split.validation, options.beamWidth),
    test: await evaluate(model, split.test, options.beamWidth),
    marginsBefore,
    marginsAfter: await marginHistogram(model, split.validation, options.beamWidth),
  };
  writeAtomically(join(folder, RESULT_FILE), [`${JSON.stringify(result)}\n`]);
  return result;
}

/** What a run was started with. */
export function readRunHead(folder: string): Pick<RunState, 'options' | 'data'> {
  const file = join(folder, METRICS_FILE);
  if (!existsSync(file)) throw new Error(`${folder}: no run in it (${METRICS_FILE} is missing)`);
  const [first = ''] = readFileSync(file, 'utf8').split('\n');
  return JSON.parse(first);
}

/** The model of a run's best epoch. */
export function openBestModel(folder: string, { catalogue, evidence }: Workbench, options: RunOptions): Recommender {
  const model = new Recommender(catalogue, evidence, options, options.seed);
  loadCheckpoint(join(folder, BEST_FILE), model);
  return model;
}

function openRun(fresh: RunState, folder: string, resume: boolean, model: Recommender, trainer: Trainer): RunState {
  const checkpoint = join(folder, CHECKPOINT_FILE);
  if (!existsSync(checkpoint)) {
    const strangers = existsSync(folder) ? readdirSync(folder).filter((name) => !isOurs(name)) : [];
    if (strangers.length > 0)
      throw new Error(`${folder}: holds ${strangers[0]}, which is no run's; give another folder`);
    mkdirSync(folder, { recursive: true });
    return fresh;
  }
  if (!resume) throw new Error(`${folder}: holds a run already; go on with it (--resume), or give another folder`);
  const stored = readCheckpointState(checkpoint) as RunState;
  if (stored.data !== fresh.data)
    throw new Error(`${folder}: trained on other data: ${stored.data} there, ${fresh.data} here`);
  const difference = differingOption(stored.options, fresh.options);
  if (difference) throw new Error(`${folder}: cannot go on with other options: ${difference}`);
  loadCheckpoint(checkpoint, model, trainer);
  writeMetrics(folder, stored);
  return stored;
}

function isOurs(name: string): boolean {
  return [CHECKPOINT_FILE, BEST_FILE, METRICS_FILE, RESULT_FILE].includes(name.replace(/\.partial$/, ''));
}

function writeMetrics(folder: string, { metrics, ...head }: RunState): void {
  const lines = [head, ...metrics].map((line) => `${JSON.stringify(line)}\n`);
  writeAtomically(join(folder, METRICS_FILE), lines);
}

function isFinished({ metrics, options }: RunState): boolean {
  const epochsSinceBest = metrics.length - bestEpoch(metrics);
  return metrics.length >= options.epochs || (metrics.length > 0 && epochsSinceBest >= options.patience);
}

/** From 1; the earliest of equals; 0 before the first. */
function bestEpoch(metrics: readonly EpochMetrics[]): number {
  let best: EpochMetrics | undefined;
  for (const epoch of metrics) if (!best || epoch.validationNdcg > best.validationNdcg) best = epoch;
  return best?.epoch ?? 0;
}
