import { outcomeOf, wasAborted, withSignal } from '../loss/abortable.js';
import { staysInPlace } from '../loss/borrowing.js';
import type { Targets } from '../loss/targets.js';
import { allocateUncleared } from '../loss/uncleared-array.js';
import type { NativeOutcome } from '../native/binding.js';
import { LENDABLE } from '../native/call-fields.js';
import { computeLinearLossAsync } from '../native/linear-calls.js';
import { type Abortion, reasonOf } from '../options/abort-signal.js';
import type { Reduction } from '../options/options.js';
import type { FactorArray, Matrix } from './matrices.js';
import { type AsyncLinearBearLossOptions, checkLinearOptions, type LinearNeed } from './options.js';
import { type PreparedLinearCall, prepareLinearCall } from './prepare-call.js';
import { assembleLinearResult, type LinearBearLossResult, linearError } from './result.js';

/**
 * {@link fusedLinearBearLoss} off the main thread: the same arguments, and the same result bit for bit, but for what
 * `accumulate` adds to copied memory: there the gradients are added when the call is done.
 *
 * Arrays are copied, lent or borrowed as in {@link fusedBearLossAsync}; here these are `hidden`, `weight`, `bias` and the
 * arrays of `out`. Weights are large: put them into a SharedArrayBuffer, or borrow them.
 *
 * Every error rejects the promise, also one that an argument causes: the call itself never throws. Where an array of `out`
 * has gone meanwhile, it is rejected with ERR_BEAR_BUFFER_DETACHED.
 *
 * @example
 * const { loss, gradWeight } = await fusedLinearBearLossAsync(hidden, weight, targets, { hiddenSize: 256, signal });
 */
export async function fusedLinearBearLossAsync<
  R extends Reduction = 'mean',
  A extends FactorArray = FactorArray,
  const N extends readonly LinearNeed[] | undefined = undefined,
  S extends boolean = false,
  W extends boolean = false,
>(
  hidden: Matrix<A>,
  weight: Matrix<A>,
  targets: Targets,
  options?: AsyncLinearBearLossOptions<R, N, S, W>,
): Promise<LinearBearLossResult<R, A, N, S, W>> {
  const checked = checkLinearOptions(options);
  const { signal, borrow } = checked;
  return withSignal(signal, async (abortion) => {
    const prepared = prepareLinearCall(hidden, weight, targets, checked, allocateUncleared);
    const outcome = await run(prepared, borrow, abortion);
    if (outcome.status === 'done') {
      return assembleLinearResult(outcome, prepared) as unknown as LinearBearLossResult<R, A, N, S, W>;
    }
    if (outcome.status === 'aborted') throw signal && reasonOf(signal);
    throw linearError(outcome, prepared);
  });
}

async function run(
  { call, isNew }: PreparedLinearCall,
  borrow: boolean,
  abortion: Abortion | undefined,
): Promise<NativeOutcome> {
  if (wasAborted(abortion)) return { status: 'aborted' };
  const borrowed = LENDABLE.filter((name) => {
    const array = call[name];
    return array !== undefined && !isNew.has(name) && staysInPlace(array, borrow);
  });
  // Nobody knows a new gradient before the promise is fulfilled.
  const lent = new Set<string>([...borrowed, ...isNew]);
  return outcomeOf((state, done) => computeLinearLossAsync(call, lent, state, done), borrowed.length > 0, abortion);
}
