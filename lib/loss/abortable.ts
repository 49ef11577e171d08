// How asynchronous calls of the addon meet the caller's signal.
import type { NativeOutcome } from '../native/binding.js';
import {
  type Abortion,
  type CheckedSignal,
  hasBegun,
  isAborted,
  reasonOf,
  subscribe,
} from '../options/abort-signal.js';

const ABORTED: NativeOutcome = { status: 'aborted' };

/** Runs a call that the signal can abort. Throws the signal's reason where it has been aborted already. */
export async function withSignal<Result>(
  signal: CheckedSignal | undefined,
  run: (abortion: Abortion | undefined) => Promise<Result>,
): Promise<Result> {
  if (signal && isAborted(signal)) throw reasonOf(signal);
  // Before the arguments are read, as subscribing runs code of the signal's, which may be anybody's.
  const abortion = signal && subscribe(signal);
  try {
    return await run(abortion);
  } finally {
    abortion?.unsubscribe();
  }
}

/**
 * The outcome of a call of the addon, or that it was aborted. A call that has memory of the caller's is waited for.
 *
 * @param start calls the addon; an outcome that it returns is final, else `done` gets it
 */
export async function outcomeOf(
  start: (state: Int32Array | undefined, done: (outcome: NativeOutcome) => void) => NativeOutcome | undefined,
  borrows: boolean,
  abortion: Abortion | undefined,
): Promise<NativeOutcome> {
  const outcome = new Promise<NativeOutcome>((resolve) => {
    const early = start(abortion?.state, resolve);
    if (early !== undefined) resolve(early);
  });
  if (abortion === undefined) return outcome;
  // Does not wait for a kernel that has nothing of the caller's: from an abort on nothing is written.
  return Promise.race([outcome, abortion.aborted.then(() => (borrows && hasBegun(abortion) ? outcome : ABORTED))]);
}

/** Whether the signal was aborted while the arguments were read, by a getter of theirs. */
export const wasAborted = (abortion: Abortion | undefined): boolean => abortion?.state[0] === 1;
