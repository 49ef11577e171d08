import { computeLoss } from '../native/loss-calls.js';
import { checkOptions } from '../options/check-options.js';
import { bearError } from '../options/errors.js';
import type { BearLossOptions, GradientChoice, LogitsArray, Reduction } from '../options/options.js';
import type { Logits } from './logits.js';
import { outcomeError } from './outcome-errors.js';
import { prepareCall } from './prepare-call.js';
import { assembleResult, type BearLossResult } from './result.js';
import type { Targets } from './targets.js';

/**
 * The BEAR loss of N rows of V logits and its gradient, computed at once.
 *
 * A row is one decoding step. Its loss is `nll + lambda * r(delta)`: the cross-entropy of the target, and a penalty on its
 * pruning margin delta, the B-th largest scaled logit minus the target's, which is above 0 where a beam search of width B
 * drops the target. (W. Yang et al., "BEAR", SIGIR 2026, arXiv 2601.22925; docs/math.md.)
 *
 * Runs on the calling thread and the kernel's own threads, and blocks until it is done. Copies nothing but targets and
 * constraint.
 *
 * @param logits N * V numbers as `Float32Array` (float32), `Uint16Array` (the bits of float16 or bfloat16: `dtype` says
 *   which) or `Float16Array`, or `{ data, shape: [..., V], dtype?, rowStride? }`. Not written, unless `gradient` is in
 *   place. Minus infinity masks a token.
 * @param targets [N] token ids, or `ignoreIndex`.
 * @param options see {@link BearLossOptions}.
 * @throws TypeError or RangeError with a `code` of {@link BearErrorCode}, `argument`, and `row` where it is one row's
 *   fault. Then nothing has been written to the caller's buffers.
 */
export function fusedBearLoss<
  R extends Reduction = 'mean',
  A extends LogitsArray = LogitsArray,
  G extends GradientChoice = true,
  S extends boolean = false,
>(logits: Logits<A>, targets: Targets, options?: BearLossOptions<R, G, S>): BearLossResult<R, A, G, S> {
  const checked = checkOptions(options);
  if (checked.signal !== undefined) {
    throw bearError('ERR_BEAR_OPTION_CONFLICT', {
      argument: 'signal',
      expected: 'an asynchronous call, as a synchronous one cannot be aborted',
      received: 'a synchronous call',
    });
  }
  const prepared = prepareCall(logits, targets, checked);
  const outcome = computeLoss(prepared.call);
  if (outcome.status === 'done') return assembleResult(outcome, prepared) as unknown as BearLossResult<R, A, G, S>;
  if (outcome.status === 'aborted') throw new Error('fused-bear-loss: aborted without a signal');
  throw outcomeError(outcome, prepared);
}
