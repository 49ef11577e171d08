import { evaluate, validationNdcg } from './evaluation.js';
import { withFolderLock } from './folder-lock.js';
import { isMasked, lossOptions } from './losses.js';
import { marginHistogram } from './margins.js';
import { requireTrainable } from './memory.js';
import { requireUsableOptions } from './option-check.js';
import { digestOf } from './run-data.js';
import {
  loadBestParameters,
  makeRunFolder,
  openRunFolder,
  requireRoomForRun,
  saveEpoch,
  writeResult,
} from './run-folder.js';
import { type RunOptions, searchTemperatureOf } from './run-options.js';
import type { RunResult } from './run-result.js';
import { bestEpoch, type EpochMetrics, isFinished } from './run-state.js';
import { Trainer } from './training.js';
import type { TrainingOptions } from './training-options.js';
import { modelOf, type Workbench } from './workbench.js';

export type { RunResult } from './run-result.js';

export interface RunHooks {
  onStep?: TrainingOptions['onStep'];
  /** Called while validation or test rows are searched, during training and after it. */
  onEvaluation?: (progress: { part: 'validation' | 'test'; done: number; total: number }) => void;
  onEpoch?: (metrics: EpochMetrics) => void;
}

/**
 * Trains, keeps the epoch with the best NDCG@10 on the validation rows, and looks at the test rows once. A run that was cut
 * off at any moment goes on from its last whole epoch, to the same numbers.
 *
 * @throws Error where the folder holds something and `resume` is not set, or a run with other options or data, or a damaged
 *   one; where another process writes to the folder; and where the options need more memory than `MOST_BYTES`
 */
export async function run(
  workbench: Workbench,
  options: RunOptions,
  folder: string,
  { resume = false, ...hooks }: RunHooks & { resume?: boolean } = {},
): Promise<RunResult> {
  await requireUsableOptions(options);
  requireTrainable(options, workbench);
  requireRoomForRun(folder, resume);
  makeRunFolder(folder);
  return withFolderLock(folder, () => {
    // Another process may have begun, and ended, a run there since.
    requireRoomForRun(folder, resume);
    return runLocked(workbench, options, folder, hooks);
  });
}

async function runLocked(
  workbench: Workbench,
  options: RunOptions,
  folder: string,
  hooks: RunHooks,
): Promise<RunResult> {
  const { split, dataset } = workbench;
  const { beamWidth, temperature, exactRows } = options;
  const searchOf = (part: 'validation' | 'test') => ({
    beamWidth,
    onProgress: (done: number, total: number) => hooks.onEvaluation?.({ part, done, total }),
  });
  const evaluatePart = (part: 'validation' | 'test') =>
    evaluate(model, split[part], { ...searchOf(part), temperature: searchTemperatureOf(options), exactRows });
  const model = modelOf(workbench, options);
  const trainer = new Trainer(model, split.train, {
    ...options,
    loss: lossOptions(options),
    isMasked: isMasked(options),
    ...(options.loss === 'apao' && { apao: options }),
    ...(hooks.onStep && { onStep: hooks.onStep }),
  });
  const fresh = { options, data: dataset.description, dataDigest: digestOf(workbench), metrics: [] };
  const state = openRunFolder(folder, fresh, { model, trainer, workbench });
  const initial = modelOf(workbench, options);
  const marginsBefore = await marginHistogram(initial, split.validation, beamWidth, temperature);
  while (!isFinished(state)) {
    const epoch = state.metrics.length;
    const report = await trainer.trainEpoch(epoch);
    const metrics = {
      epoch: epoch + 1,
      validationNdcg: await validationNdcg(model, split.validation, { ...searchOf('validation'), temperature }),
      ...report,
    };
    state.metrics.push(metrics);
    saveEpoch(folder, state, model, trainer);
    hooks.onEpoch?.(metrics);
  }
  loadBestParameters(folder, model);
  const result: RunResult = {
    ...state,
    bestEpoch: bestEpoch(state.metrics),
    parameterCount: model.parameterCount,
    validation: await evaluatePart('validation'),
    test: await evaluatePart('test'),
    marginsBefore,
    marginsAfter: await marginHistogram(model, split.validation, beamWidth, temperature),
  };
  writeResult(folder, result);
  return result;
}
