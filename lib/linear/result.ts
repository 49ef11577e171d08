import { outcomeError } from '../loss/outcome-errors.js';
import type { RowStatistics } from '../loss/outputs.js';
import { assembleResult, type LossByReduction, type LossCounts } from '../loss/result.js';
import type { NativeOutcome, NativeSummary } from '../native/binding.js';
import { type BearLossError, bearError } from '../options/errors.js';
import type { IfAsked, Reduction } from '../options/options.js';
import type { FactorArray } from './matrices.js';
import type { LinearNeed } from './options.js';
import type { PreparedLinearCall } from './prepare-call.js';

/** The gradients of a call, as far as they were asked for. */
interface Gradients<A> {
  hidden: {
    /** d loss / d hidden, [N, H] in the dtype of `hidden`. */
    gradHidden: A;
  };
  weight: {
    /** d loss / d weight, [V, H], float32. */
    gradWeight: Float32Array;
  };
  bias: {
    /** d loss / d bias, [V]. */
    gradBias: Float32Array;
  };
}

/** Those that `needs` names; without `needs` there is a gradient of the bias if there is a bias. */
type AskedGradients<A, N extends readonly LinearNeed[] | undefined> = N extends readonly LinearNeed[]
  ? number extends N['length']
    ? Partial<Gradients<A>['hidden'] & Gradients<A>['weight'] & Gradients<A>['bias']>
    : IfAsked<'hidden' extends N[number] ? true : false, Gradients<A>['hidden']> &
        IfAsked<'weight' extends N[number] ? true : false, Gradients<A>['weight']> &
        IfAsked<'bias' extends N[number] ? true : false, Gradients<A>['bias']>
  : Gradients<A>['hidden'] & Gradients<A>['weight'] & Partial<Gradients<A>['bias']>;

/** `R` is the reduction, `A` the kind of array of hidden and weight, `N` the option `needs`, `S` the option `rows`. */
export type LinearBearLossResult<
  R extends Reduction = Reduction,
  A extends FactorArray = FactorArray,
  N extends readonly LinearNeed[] | undefined = readonly LinearNeed[] | undefined,
  S extends boolean = boolean,
> = LossCounts &
  LossByReduction<R> &
  AskedGradients<A extends Float32Array ? Float32Array : A extends Uint16Array ? Uint16Array : A, N> &
  IfAsked<S, { /** The statistics of each row. */ rows: RowStatistics }>;

export function assembleLinearResult(summary: NativeSummary, prepared: PreparedLinearCall): LinearBearLossResult {
  return { ...assembleResult(summary, prepared), ...prepared.gradients } as unknown as LinearBearLossResult;
}

/** The error that tells the caller of an outcome other than `done` and `aborted`. */
export function linearError(
  outcome: Exclude<NativeOutcome, { status: 'done' | 'aborted' }>,
  { call, options, allowedTokenCount }: PreparedLinearCall,
): BearLossError {
  switch (outcome.status) {
    case 'overlap':
      return bearError('ERR_BEAR_OUT_OVERLAP', {
        argument: 'out',
        expected: 'memory that no input and no other output shares',
        received: `memory that overlaps ${outcome.input}`,
      });
    case 'detached':
      return bearError('ERR_BEAR_BUFFER_DETACHED', {
        argument: 'out',
        expected: 'arrays of the length that they had when the call was made',
        received: 'a view whose buffer was transferred, detached or resized meanwhile',
      });
    case 'out-of-memory':
      return bearError('ERR_BEAR_OUT_OF_MEMORY', {
        argument: 'workspaceBytes',
        expected: 'memory to compute the loss in',
      });
    default:
      return outcomeError(outcome, { call: call.loss, options, allowedTokenCount, gradientArgument: 'out' });
  }
}
