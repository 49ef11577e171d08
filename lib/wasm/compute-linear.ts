// The linear form on the module: at once, or in chunks between which the event loop turns.
import type { NativeOutcome } from '../native/binding.js';
import { type GivenLinearCall, LinearCall, linearNumberIndex } from './linear-call.js';
import { numberIndex } from './loss-call.js';
import { whileModuleHasMemory } from './module.js';
import { enqueue, isAborted } from './slices.js';

/** Of the logits of a chunk of an asynchronous call: a longer one would keep the event loop waiting. */
const SLICE_BYTES = 1 << 20;

const workspaceBytesOf = ({ linearNumbers }: GivenLinearCall) =>
  linearNumbers[linearNumberIndex.workspaceBytes] as number;

export function computeLinear(given: GivenLinearCall, faultNames: readonly string[]): NativeOutcome {
  return whileModuleHasMemory(() => {
    const call = new LinearCall(given, faultNames, false);
    const outcome = call.begin(workspaceBytesOf(given));
    if (outcome !== undefined) return outcome;
    while (!call.step());
    return call.end();
  });
}

/** Copies the inputs before it returns; writes outputs when all is done. */
export function computeLinearAsync(
  given: GivenLinearCall,
  faultNames: readonly string[],
  abortFlag: Int32Array | undefined,
  done: (outcome: NativeOutcome) => void,
): NativeOutcome | undefined {
  let call: LinearCall | undefined;
  const outcome = whileModuleHasMemory(() => {
    call = new LinearCall(given, faultNames, true);
    const longestRow = 4 * (given.numbers[numberIndex.vocabSize] as number);
    return call.begin(Math.min(workspaceBytesOf(given), Math.max(SLICE_BYTES, longestRow + 64)));
  });
  if (outcome !== undefined) return outcome;
  const running = call as LinearCall;
  const step = () => {
    if (isAborted(abortFlag)) return { status: 'aborted' } as const;
    return running.step() ? running.end() : undefined;
  };
  enqueue({ step }, done);
  return undefined;
}
