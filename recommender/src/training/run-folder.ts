import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Recommender } from '../model/model.js';
import { writeAtomically } from './atomic-file.js';
import { loadCheckpoint, readCheckpointState, saveCheckpoint, saveParameters } from './checkpoint.js';
import { type RunData, readRunData, writeRunData } from './run-data.js';
import { differingOption } from './run-options.js';
import { bestEpoch, type RunState } from './run-state.js';
import type { Trainer } from './training.js';
import type { Workbench } from './workbench.js';

// The files of a run. The checkpoint is the truth on how far it is; the others follow from it.
const CHECKPOINT_FILE = 'checkpoint.safetensors';
/** The parameters of the best epoch so far. */
const BEST_FILE = 'best.safetensors';
/** A line of JSON with the options, then one for each epoch. */
const METRICS_FILE = 'metrics.jsonl';
const DATA_FILE = 'data.json';
export const RESULT_FILE = 'result.json';
const FILES = [CHECKPOINT_FILE, BEST_FILE, METRICS_FILE, DATA_FILE, RESULT_FILE];

/**
 * Prepares the folder of a run. Where it holds an unfinished one, with the same options and data, model and trainer get what
 * its checkpoint has.
 *
 * @returns `fresh`, or the state of the run that goes on
 * @throws Error, before anything is written, where the folder holds anything else, or a run and `resume` is not set
 */
export function openRunFolder(
  folder: string,
  fresh: RunState,
  resume: boolean,
  { model, trainer, workbench }: { model: Recommender; trainer: Trainer; workbench: Workbench },
): RunState {
  const checkpoint = join(folder, CHECKPOINT_FILE);
  if (!resume && existsSync(checkpoint)) {
    throw new Error(`${folder}: holds a run already; go on with it (--resume), or give another folder`);
  }
  const stored = storedRun(folder, fresh);
  if (stored === undefined) {
    mkdirSync(folder, { recursive: true });
    writeRunData(join(folder, DATA_FILE), workbench);
    return fresh;
  }
  loadCheckpoint(checkpoint, model, trainer);
  writeMetrics(folder, stored);
  return stored;
}

/**
 * How far the run in a folder is; undefined where there is none, or none that was saved yet. Writes nothing.
 *
 * @param fresh the same run at its beginning
 * @throws Error where the folder holds anything else, or a run with other options or data
 */
export function storedRun(folder: string, fresh: RunState): RunState | undefined {
  const checkpoint = join(folder, CHECKPOINT_FILE);
  if (!existsSync(checkpoint)) {
    requireNothingOfValue(folder, fresh);
    return undefined;
  }
  const stored = readCheckpointState(checkpoint) as RunState;
  requireSameRun(folder, stored, fresh);
  return stored;
}

function requireSameRun(folder: string, stored: RunState, fresh: RunState): void {
  const difference = differingOption(stored.options, fresh.options);
  if (difference) throw new Error(`${folder}: cannot go on with other options: ${difference}`);
  if (stored.dataDigest !== fresh.dataDigest) {
    throw new Error(
      `${folder}: cannot go on with other data: was trained on ${stored.data}, not what ${fresh.data} holds now`,
    );
  }
}

/** Without a checkpoint there may be only what a run leaves that ended before its first one, and would write again. */
function requireNothingOfValue(folder: string, fresh: RunState): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const stranger = names.find((name) => !FILES.includes(name.replace(/\.partial$/, '')));
  if (stranger !== undefined) throw new Error(`${folder}: holds ${stranger}, which is no run's; give another folder`);
  const lost = (name: string) => new Error(`${folder}: holds ${name} but no ${CHECKPOINT_FILE}; give another folder`);
  const later = names.find((name) => name === METRICS_FILE || name === RESULT_FILE);
  if (later !== undefined) throw lost(later);
  // Somebody else's file may have this name.
  if (names.includes(DATA_FILE)) readRunData(join(folder, DATA_FILE));
  if (!names.includes(BEST_FILE)) return;
  const best = readCheckpointState(join(folder, BEST_FILE)) as RunState;
  if (best.metrics.length > 1) throw lost(BEST_FILE);
  requireSameRun(folder, best, fresh);
}

/**
 * Writes what an epoch has changed. The best parameters come before the checkpoint: when the run ends between the two, the
 * epoch is done again, to the same numbers.
 */
export function saveEpoch(folder: string, state: RunState, model: Recommender, trainer: Trainer): void {
  if (bestEpoch(state.metrics) === state.metrics.length) saveParameters(join(folder, BEST_FILE), model, state);
  saveCheckpoint(join(folder, CHECKPOINT_FILE), model, trainer, state);
  writeMetrics(folder, state);
}

function writeMetrics(folder: string, { metrics, ...head }: RunState): void {
  const lines = [head, ...metrics].map((line) => `${JSON.stringify(line)}\n`);
  writeAtomically(join(folder, METRICS_FILE), lines);
}

export function loadBestParameters(folder: string, model: Recommender): void {
  loadCheckpoint(join(folder, BEST_FILE), model);
}

/** What a run was made of and with: all that its model needs beside the parameters. */
export function readRun(folder: string): RunState & RunData {
  const best = join(folder, BEST_FILE);
  if (!existsSync(best)) throw new Error(`${folder}: no trained run in it (${BEST_FILE} is missing)`);
  return { ...(readCheckpointState(best) as RunState), ...readRunData(join(folder, DATA_FILE)) };
}
