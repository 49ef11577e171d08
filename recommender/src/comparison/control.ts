import { decisionLogits, meanEntropy, temperatureOfEntropy } from '../training/entropy.js';
import { evaluate } from '../training/evaluation.js';
import { loadBestParameters } from '../training/run-folder.js';
import { type RunOptions, searchTemperatureOf } from '../training/run-options.js';
import type { RunResult } from '../training/run-result.js';
import { modelOf, type Workbench } from '../training/workbench.js';
import type { Control } from './comparison.js';

/** A finished run: its result, and the folder that has its parameters. */
export interface FinishedRun {
  result: RunResult;
  folder: string;
}

/**
 * Whether the effect of a penalty is that of a sharper distribution alone: the reference's runs, searched at the temperature
 * at which the mean entropy of their decisions on the validation rows is that of the contender's run with the same seed.
 * Trains nothing.
 *
 * @param runs of each seed: that of the reference, and that of the contender
 */
export async function searchAtEntropyOf(
  workbench: Workbench,
  contender: string,
  runs: readonly { reference: FinishedRun; contender: FinishedRun }[],
): Promise<Control> {
  const { validation, test } = workbench.split;
  const control: Control = { contender, temperatures: [], entropies: [], results: [] };
  for (const { reference, contender } of runs) {
    const { options } = contender.result;
    const contenders = await decisionLogits(loaded(workbench, options, contender.folder), validation);
    const entropy = meanEntropy(contenders, searchTemperatureOf(options));
    const model = loaded(workbench, reference.result.options, reference.folder);
    const temperature = temperatureOfEntropy(await decisionLogits(model, validation), entropy);
    const { beamWidth, exactRows } = reference.result.options;
    const search = { beamWidth, exactRows, temperature };
    control.temperatures.push(temperature);
    control.entropies.push(entropy);
    control.results.push({
      validation: await evaluate(model, validation, search),
      test: await evaluate(model, test, search),
    });
  }
  return control;
}

function loaded(workbench: Workbench, options: RunOptions, folder: string) {
  const model = modelOf(workbench, options);
  loadBestParameters(folder, model);
  return model;
}
