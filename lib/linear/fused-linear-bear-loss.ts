import type { Targets } from '../loss/targets.js';
import { computeLinearLoss } from '../native/linear-calls.js';
import { fail } from '../options/errors.js';
import type { Reduction } from '../options/options.js';
import type { FactorArray, Matrix } from './matrices.js';
import { checkLinearOptions, type LinearBearLossOptions, type LinearNeed } from './options.js';
import { prepareLinearCall } from './prepare-call.js';
import { assembleLinearResult, type LinearBearLossResult, linearError } from './result.js';

/**
 * Returns the BEAR loss of the logits `hidden weight^T + bias`, and its gradients, without ever holding all logits.
 *
 * The loss is that of {@link fusedBearLoss}. Logits are computed in float32, as many rows at a time as
 * `workspaceBytes` holds. Results are the same bits for any number of threads and any workspace.
 *
 * Blocks until it is done, on the calling thread and the kernel's own threads.
 *
 * @param hidden [N, H] hidden states as `Float32Array`, or as `Uint16Array` with the bits of bfloat16 numbers (`dtype` says
 *   so); or `{ data, shape: [..., H], dtype? }`.
 * @param weight [V, H] in the same dtype.
 * @param targets [N] token ids, or `ignoreIndex`. Nothing is computed for ignored rows.
 * @param options see {@link LinearBearLossOptions}.
 * @throws TypeError or RangeError as {@link fusedBearLoss}. Then nothing has been written.
 *
 * @example
 * const { loss, gradHidden, gradWeight } = fusedLinearBearLoss(hidden, weight, targets, { hiddenSize: 256 });
 */
export function fusedLinearBearLoss<
  R extends Reduction = 'mean',
  A extends FactorArray = FactorArray,
  const N extends readonly LinearNeed[] | undefined = undefined,
  S extends boolean = false,
  W extends boolean = false,
>(
  hidden: Matrix<A>,
  weight: Matrix<A>,
  targets: Targets,
  options?: LinearBearLossOptions<R, N, S, W>,
): LinearBearLossResult<R, A, N, S, W> {
  const checked = checkLinearOptions(options);
  const { signal, borrow } = checked;
  if (signal !== undefined || borrow) {
    const argument = borrow ? 'borrow' : 'signal';
    fail('ERR_BEAR_OPTION_CONFLICT', argument, 'an asynchronous call', 'a synchronous call');
  }
  const prepared = prepareLinearCall(hidden, weight, targets, checked);
  const outcome = computeLinearLoss(prepared.call);
  if (outcome.status === 'done') {
    return assembleLinearResult(outcome, prepared) as unknown as LinearBearLossResult<R, A, N, S, W>;
  }
  if (outcome.status === 'aborted') throw new Error('fused-bear-loss: aborted without a signal');
  throw linearError(outcome, prepared);
}
