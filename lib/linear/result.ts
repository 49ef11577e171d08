import { GONE, outcomeError, outputOverlapError } from '../loss/outcome-errors.js';
import type { RowStatistics } from '../loss/outputs.js';
import { assembleResult, type LossByReduction, type LossCounts } from '../loss/result.js';
import type { NativeOutcome, NativeSummary } from '../native/binding.js';
import { argumentError, type BearLossError } from '../options/errors.js';
import type { IfAsked, Reduction } from '../options/options.js';
import type { FactorArray } from './matrices.js';
import type { LinearNeed } from './options.js';
import type { PreparedLinearCall } from './prepare-call.js';

/** The gradients of a call, as far as they were asked for. */
interface Gradients<A, W extends boolean> {
  hidden: {
    /** d loss / d hidden, [N, H] in the dtype of `hidden`. */
    gradHidden: A;
  };
  weight: {
    /** d loss / d weight, [V, H], float32; with `sparseWeightGradient` its rows of listed tokens alone. */
    gradWeight: boolean extends W ? Float32Array | SparseRows : W extends true ? SparseRows : Float32Array;
  };
  bias: {
    /** d loss / d bias, [V]. */
    gradBias: Float32Array;
  };
  allowedBias: {
    /** d loss / d allowed.bias, one for each of `allowed.tokens`. */
    gradAllowedBias: Float32Array;
  };
}

/** Some rows of a matrix: `values` is [rows, H]. */
export interface SparseRows {
  /** Ascending token ids. */
  rows: Int32Array;
  values: Float32Array;
}

type AllGradients<G extends Record<LinearNeed, object>> = G['hidden'] & G['weight'] & G['bias'] & G['allowedBias'];

/** Those that `needs` names; without `needs` there is one for each bias that is given. */
type AskedGradients<G extends Record<LinearNeed, object>, N extends readonly LinearNeed[] | undefined> = [N] extends [
  readonly LinearNeed[],
]
  ? number extends N['length']
    ? Partial<AllGradients<G>>
    : IfNamed<N, 'hidden', G['hidden']> &
        IfNamed<N, 'weight', G['weight']> &
        IfNamed<N, 'bias', G['bias']> &
        IfNamed<N, 'allowedBias', G['allowedBias']>
  : [N] extends [undefined]
    ? G['hidden'] & G['weight'] & Partial<G['bias'] & G['allowedBias']>
    : Partial<AllGradients<G>>;

type IfNamed<N extends readonly LinearNeed[], Name, Members> = IfAsked<Name extends N[number] ? true : false, Members>;

/**
 * `R` is the reduction, `A` the kind of array of hidden and weight, `N` the option `needs`, `S` the option `rows`, `W` the
 * option `sparseWeightGradient`.
 */
export type LinearBearLossResult<
  R extends Reduction = Reduction,
  A extends FactorArray = FactorArray,
  N extends readonly LinearNeed[] | undefined = readonly LinearNeed[] | undefined,
  S extends boolean = boolean,
  W extends boolean = boolean,
> = LossCounts &
  LossByReduction<R> &
  AskedGradients<Gradients<A extends Float32Array ? Float32Array : A extends Uint16Array ? Uint16Array : A, W>, N> &
  IfAsked<S, { /** The statistics of each row. */ rows: RowStatistics }>;

export function assembleLinearResult(summary: NativeSummary, prepared: PreparedLinearCall): LinearBearLossResult {
  const { call, gradients } = prepared;
  const result = { ...assembleResult(summary, prepared), ...gradients };
  const { weightTokens, gradWeight } = call;
  const sparse = weightTokens && { gradWeight: { rows: weightTokens, values: gradWeight } };
  return { ...result, ...sparse } as unknown as LinearBearLossResult;
}

/** The error that tells the caller of an outcome other than `done` and `aborted`. */
export function linearError(
  outcome: Exclude<NativeOutcome, { status: 'done' | 'aborted' }>,
  { call, options, allowedTokenCount }: PreparedLinearCall,
): BearLossError {
  switch (outcome.status) {
    case 'overlap':
      return outputOverlapError(outcome.input);
    case 'detached':
      return argumentError(
        'ERR_BEAR_BUFFER_DETACHED',
        'out',
        'arrays of the length that they had when the call was made',
        GONE,
      );
    case 'out-of-memory':
      return argumentError('ERR_BEAR_OUT_OF_MEMORY', 'workspaceBytes', 'memory to compute the loss in');
    default:
      return outcomeError(outcome, { call: call.loss, options, allowedTokenCount, gradientArgument: 'out' });
  }
}
