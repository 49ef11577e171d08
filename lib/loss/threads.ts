import { warnAboutEnvironment } from '../native/warnings.js';
import { nodeModule } from '../options/node-module.js';

const { availableParallelism } = nodeModule('node:os');

const VARIABLE = 'FUSED_BEAR_LOSS_THREADS';

// Asking the system reads files; the answer of a process does not change.
let available: number | undefined;
let hasWarned = false;

/** The number of threads of a call: its option, else what the environment says, else as many as may run at a time. */
export function resolveThreads(option: number | undefined): number {
  if (option !== undefined) return option;
  available ??= availableParallelism();
  const override = process.env[VARIABLE];
  if (override === undefined || override === '') return available;
  const error = threadsOverrideError();
  if (error === undefined) return Number(override);
  if (!hasWarned) warnAboutEnvironment(error);
  hasWarned = true;
  return available;
}

/** Why FUSED_BEAR_LOSS_THREADS is not followed; undefined where it is, or is not set. */
export function threadsOverrideError(): string | undefined {
  const override = process.env[VARIABLE];
  if (override === undefined || override === '' || /^[1-9]\d{0,3}$/.test(override)) return undefined;
  return `${VARIABLE} was not followed: ${JSON.stringify(override)} is no number from 1 to 9999`;
}
