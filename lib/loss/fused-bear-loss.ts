import { computeLoss } from '../native/loss-calls.js';
import { type CheckedOptions, checkOptions } from '../options/check-options.js';
import { fail } from '../options/errors.js';
import type { BearLossOptions, GradientChoice, LogitsArray, Reduction } from '../options/options.js';
import type { Logits } from './logits.js';
import { outcomeError } from './outcome-errors.js';
import { prepareCall } from './prepare-call.js';
import { assembleResult, type BearLossResult } from './result.js';
import type { Targets } from './targets.js';

/**
 * Returns the BEAR loss of N rows of V logits, and its gradient.
 *
 * A row is one decoding step. Its loss is `nll + lambda * r(delta)`: the cross-entropy of the target plus a penalty on the
 * pruning margin delta. delta is the B-th largest scaled logit minus the target's: above 0, beam search of width B drops the
 * target. (W. Yang et al., "BEAR", SIGIR 2026, arXiv 2601.22925; docs/math.md.)
 *
 * Blocks until it is done, on the calling thread and the kernel's own threads. Copies only targets and `allowed`.
 *
 * @param logits N * V numbers as `Float32Array` (float32), `Uint16Array` (the bits of float16 or bfloat16: `dtype` says
 *   which) or `Float16Array`, or `{ data, shape: [..., V], dtype?, rowStride? }`. Written only if
 *   `gradient` is in place. Minus infinity masks a token.
 * @param targets [N] token ids, or `ignoreIndex`.
 * @param options see {@link BearLossOptions}.
 * @throws TypeError or RangeError with a `code` of {@link BearErrorCode}, `argument`, and `row` if one row is at fault.
 *   Then nothing has been written to the caller's buffers.
 *
 * @example
 * const { loss, gradLogits } = fusedBearLoss(logits, targets, { vocabSize: 32000, beamWidth: 10 });
 */
export function fusedBearLoss<
  R extends Reduction = 'mean',
  A extends LogitsArray = LogitsArray,
  G extends GradientChoice = true,
  S extends boolean = false,
>(logits: Logits<A>, targets: Targets, options?: BearLossOptions<R, G, S>): BearLossResult<R, A, G, S> {
  const checked = checkOptions(options);
  assertSynchronous(checked);
  const prepared = prepareCall(logits, targets, checked);
  const outcome = computeLoss(prepared.call);
  if (outcome.status === 'done') return assembleResult(outcome, prepared) as unknown as BearLossResult<R, A, G, S>;
  if (outcome.status === 'aborted') throw new Error('fused-bear-loss: aborted without a signal');
  throw outcomeError(outcome, prepared);
}

function assertSynchronous({ signal, borrow }: CheckedOptions): void {
  if (signal === undefined && !borrow) return;
  const [argument, why] = borrow ? (['borrow', 'copies nothing'] as const) : (['signal', 'cannot be aborted'] as const);
  fail('ERR_BEAR_OPTION_CONFLICT', argument, `an asynchronous call, as a synchronous one ${why}`, 'a synchronous call');
}
