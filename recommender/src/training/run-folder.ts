import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf, writeAtomically } from '../data/atomic-file.js';
import { isThere, readRegularFile } from '../data/regular-file.js';
import type { Recommender } from '../model/model.js';
import {
  type Checkpoint,
  isOfEarlierModel,
  loadCheckpoint,
  readCheckpoint,
  saveCheckpoint,
  saveParameters,
} from './checkpoint.js';
import { isLockFile } from './folder-lock.js';
import { parseRunData, type RunData, runDataText } from './run-data.js';
import { differingOption } from './run-options.js';
import { parseRunResult, type RunResult } from './run-result.js';
import {
  bestEpoch,
  epochShape,
  headOf,
  isSameRun,
  metricsShape,
  type RunHead,
  type RunState,
  runHeadFields,
} from './run-state.js';
import { seal, unseal } from './sealed-text.js';
import { objectOf } from './shape.js';
import type { Trainer } from './training.js';
import type { Workbench } from './workbench.js';

// The files of a run. The checkpoint is the truth on how far it is; the others follow from it. Each has a digest of all its
// bytes and says of which run it is.
const CHECKPOINT_FILE = 'checkpoint.safetensors';
/** The parameters of the best epoch so far. */
const BEST_FILE = 'best.safetensors';
/** A line of JSON with the options, then one for each epoch. */
const METRICS_FILE = 'metrics.jsonl';
const DATA_FILE = 'data.json';
const RESULT_FILE = 'result.json';

/** For people: nothing reads it again. */
export const REPORT_FILE = 'report.html';

/** What to do about a file that is damaged, or not of this run. */
const REMEDIES: Readonly<Record<string, string>> = {
  [CHECKPOINT_FILE]: 'put back a copy of it, or train again in another folder',
  [BEST_FILE]: 'put back a copy of it, or train again in another folder',
  [METRICS_FILE]: 'put back a copy of it, or delete it: train --resume writes it again',
  [DATA_FILE]: 'put back a copy of it, or delete it: train --resume writes it again',
  [RESULT_FILE]: 'put back a copy of it, or delete it: train --resume writes it again',
};

/** What the files of a run hold, as far as they are there. */
export interface StoredRun {
  checkpoint: Checkpoint | undefined;
  best: Checkpoint | undefined;
  metrics: RunState | undefined;
  data: (RunHead & RunData) | undefined;
  result: RunResult | undefined;
}

/**
 * Reads and checks all files of a run. The run may be going on: files are read in the order in which later ones can only be
 * newer.
 *
 * @throws Error that names the file and what to do, where one is damaged, is no file, or is not of the run of the others
 */
export function readRunFolder(folder: string): StoredRun {
  requireFolder(folder);
  // Before any other file: the options of such a run are not those of this version.
  const earlier = [CHECKPOINT_FILE, BEST_FILE].map((name) => join(folder, name)).find(isOfEarlierModel);
  if (earlier !== undefined) {
    throw new Error(
      `${earlier}: it is of an earlier model, which this version does not have; train again in another folder`,
    );
  }
  const read = <T>(name: string, parse: (file: string) => T): T | undefined => {
    const file = join(folder, name);
    if (!isThere(file)) return undefined;
    try {
      return parse(file);
    } catch (cause) {
      throw new Error(`${(cause as Error).message}; ${REMEDIES[name]}`, { cause });
    }
  };
  const result = read(RESULT_FILE, sealed(parseRunResult));
  const checkpoint = read(CHECKPOINT_FILE, readCheckpoint);
  const best = read(BEST_FILE, readCheckpoint);
  const metrics = read(METRICS_FILE, sealed(parseMetrics));
  const data = read(DATA_FILE, sealed(parseRunData));
  const stored = { checkpoint, best, metrics, data, result };
  requireOneRun(folder, stored);
  return stored;
}

function sealed<T>(parse: (content: string) => T): (file: string) => T {
  return (file) => {
    const bytes = readRegularFile(file, { followLinks: false });
    try {
      return parse(unseal(bytes));
    } catch (cause) {
      throw new Error(`${file}: cannot be read (${(cause as Error).message})`, { cause });
    }
  };
}

const metricsHead = objectOf<RunHead>(runHeadFields);

function metricsText({ metrics, ...head }: RunState): string {
  return [head, ...metrics].map((line) => `${JSON.stringify(line)}\n`).join('');
}

function parseMetrics(content: string): RunState {
  const [head, ...epochs] = content
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  const metrics = metricsShape(
    epochs.map((epoch, index) => epochShape(epoch, `line ${index + 2}`)),
    'metrics',
  );
  return { ...metricsHead(head, 'line 1'), metrics };
}

/** @throws Error that names the file that does not go with the others */
function requireOneRun(folder: string, { checkpoint, best, metrics, data, result }: StoredRun): void {
  const parts: [string, (RunHead & { metrics?: RunState['metrics'] }) | undefined][] = [
    [CHECKPOINT_FILE, checkpoint?.state],
    [BEST_FILE, best?.state],
    [METRICS_FILE, metrics],
    [RESULT_FILE, result],
    [DATA_FILE, data],
  ];
  const found = parts.flatMap(([name, content]) => (content ? [{ name, content }] : []));
  // The one that the most others go with is right: so the error names the one that was exchanged. Data go with any epochs.
  const dated = found.filter(({ content }) => content.metrics);
  const friends = dated.map(({ content }) => found.filter((other) => isSameRun(content, other.content)).length);
  const right = dated[friends.indexOf(Math.max(...friends))];
  const wrong = found.find(({ content }) => right && !isSameRun(right.content, content));
  if (right && wrong) throw foreign(folder, wrong.name, `it is of another run than ${right.name}`);
  const epoch = best?.state.metrics.length;
  if (result) {
    const behind = found.find(
      ({ name, content }) => name !== BEST_FILE && content.metrics && content.metrics.length !== result.metrics.length,
    );
    if (behind) {
      const [there, done] = [behind.content.metrics?.length, result.metrics.length];
      throw foreign(folder, behind.name, `it has ${there} epochs and ${RESULT_FILE} ${done}`);
    }
    if (epoch !== undefined && epoch !== result.bestEpoch) {
      throw foreign(folder, BEST_FILE, `it is of epoch ${epoch}, and the best is epoch ${result.bestEpoch}`);
    }
  }
  if (!checkpoint || epoch === undefined) return;
  const { metrics: done } = checkpoint.state;
  // Best parameters are written first, so they may be newer than the checkpoint.
  if (epoch <= done.length && epoch !== bestEpoch(done)) {
    throw foreign(folder, BEST_FILE, `it is of epoch ${epoch}, and the best is epoch ${bestEpoch(done)}`);
  }
}

function foreign(folder: string, name: string, why: string): Error {
  return new Error(`${join(folder, name)}: ${why}; ${REMEDIES[name]}`);
}

/**
 * Prepares the folder of a run, which must be locked. Where it holds an unfinished one, with the same options and data, model
 * and trainer get what its checkpoint has.
 *
 * @returns `fresh`, or the state of the run that goes on
 * @throws Error, before anything is written, where the folder holds anything else, or a damaged run
 */
export function openRunFolder(
  folder: string,
  fresh: RunState,
  { model, trainer, workbench }: { model: Recommender; trainer: Trainer; workbench: Workbench },
): RunState {
  const { checkpoint, best, data } = goingOn(folder, fresh);
  if (!checkpoint) {
    // Left by a run that ended before its first checkpoint: it may have had another number of threads.
    if (best) rmSync(best.file);
    writeSealed(folder, DATA_FILE, runDataText(headOf(fresh), workbench));
    return fresh;
  }
  if (!best && checkpoint.state.metrics.length > 0) {
    throw foreign(folder, BEST_FILE, 'it is missing');
  }
  loadCheckpoint(checkpoint, model, trainer);
  if (!data) writeSealed(folder, DATA_FILE, runDataText(headOf(checkpoint.state), workbench));
  writeMetrics(folder, checkpoint.state);
  return checkpoint.state;
}

/**
 * What a folder holds of the run that `fresh` is the beginning of. Writes nothing.
 *
 * @throws Error where the folder holds anything else, or a run with other options or data, or one that is damaged
 */
export function goingOn(folder: string, fresh: RunState): StoredRun {
  const stored = readRunFolder(folder);
  if (stored.checkpoint) requireSameRun(folder, stored.checkpoint.state, fresh);
  else requireNothingOfValue(folder, fresh, stored);
  return stored;
}

/** @throws Error where the folder holds a run, and where it holds what is none; by the names of the files alone */
export function requireRoomForRun(folder: string, resume: boolean): void {
  requireFolder(folder);
  if (isThere(join(folder, CHECKPOINT_FILE))) {
    if (resume) return;
    throw new Error(`${folder}: holds a run already; go on with it (--resume), or give another folder`);
  }
  const stranger = namesIn(folder).find((name) => !isOfRun(name));
  if (stranger !== undefined) throw new Error(`${folder}: holds ${stranger}, which is no run's; give another folder`);
}

export function makeRunFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new Error(`${folder}: cannot be made (${reasonOf(cause)})`, { cause });
  }
}

/** @throws Error where something else has the name, or what is there cannot be looked at */
function requireFolder(folder: string): void {
  let isFolder: boolean | undefined;
  try {
    isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  } catch (cause) {
    throw new Error(`${folder}: cannot be read as a folder (${reasonOf(cause)})`, { cause });
  }
  if (isFolder === false) throw new Error(`${folder}: is not a folder`);
}

function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new Error(`${folder}: cannot be read as a folder (${reasonOf(cause)})`, { cause });
  }
}

function isOfRun(name: string): boolean {
  const whole = name.replace(/\.partial$/, '');
  return Object.hasOwn(REMEDIES, whole) || whole === REPORT_FILE || isLockFile(name);
}

function requireSameRun(folder: string, stored: RunHead, fresh: RunHead): void {
  const difference = differingOption(stored.options, fresh.options);
  if (difference) throw new Error(`${folder}: cannot go on with other options: ${difference}`);
  if (stored.dataDigest !== fresh.dataDigest) {
    throw new Error(
      `${folder}: cannot go on with other data: was trained on ${stored.data}, not what ${fresh.data} holds now`,
    );
  }
}

/** Without a checkpoint there may be only what a run leaves that ended before its first one, and would write again. */
function requireNothingOfValue(folder: string, fresh: RunState, { best, metrics, result }: StoredRun): void {
  requireRoomForRun(folder, true);
  const lost = (name: string) => new Error(`${folder}: holds ${name} but no ${CHECKPOINT_FILE}; give another folder`);
  if (metrics) throw lost(METRICS_FILE);
  if (result) throw lost(RESULT_FILE);
  if (!best) return;
  if (best.state.metrics.length > 1) throw lost(BEST_FILE);
  requireSameRun(folder, best.state, fresh);
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

function writeMetrics(folder: string, state: RunState): void {
  writeSealed(folder, METRICS_FILE, metricsText(state));
}

export function writeResult(folder: string, result: RunResult): void {
  writeSealed(folder, RESULT_FILE, `${JSON.stringify(result)}\n`);
}

function writeSealed(folder: string, name: string, content: string): void {
  writeAtomically(join(folder, name), [seal(content)]);
}

/** For a run that is locked: nobody else writes it. */
export function loadBestParameters(folder: string, model: Recommender): void {
  loadCheckpoint(readCheckpoint(join(folder, BEST_FILE)), model);
}

/** What a search needs of a run: the parameters of its best epoch and the data. */
export interface SearchableRun {
  best: Checkpoint;
  data: RunHead & RunData;
}

export function readSearchableRun(folder: string): SearchableRun {
  const { best, data } = readRunFolder(folder);
  if (!best) throw new Error(`${folder}: no trained run in it (${BEST_FILE} is missing)`);
  if (!data) throw new Error(`${join(folder, DATA_FILE)}: cannot be read (ENOENT); ${REMEDIES[DATA_FILE]}`);
  return { best, data };
}

/** @returns the path of the result */
export function resultFile(folder: string): string {
  return join(folder, RESULT_FILE);
}
