import type { NativeSummary } from '../native/binding.js';
import type { GradientChoice, IfAsked, LogitsArray, Reduction } from '../options/options.js';
import type { Outputs, RowStatistics } from './outputs.js';

/** What the rows of a call were like. */
export interface LossCounts {
  /** Rows whose target is not ignoreIndex. */
  countedRows: number;
  /** Share of the counted rows with a margin above 0: whose target a beam search of width B drops. 0 where no row counts. */
  prunedRate: number;
  /** Share of the counted rows whose target has the largest logit. 0 where no row counts. */
  accuracy: number;
  /**
   * Rows, ascending, with NaN or +infinity among their allowed logits, without any finite one (loss and gradient NaN), or
   * with a target of -infinity (loss +infinity). Usually empty.
   */
  nonFiniteRows: number[];
}

/** The loss, as the reduction `R` has it. */
export interface LossByReduction<R extends Reduction> {
  /** The loss; for reduction `none` that of each row, [N]. 0 where no row counts. */
  loss: R extends 'none' ? Float32Array : number;
}

interface WithGradient<T> {
  /**
   * d loss / d logits in the logits' dtype, [N, V], or with `gradient: 'sparse'` [entries]: a new array, `out.gradLogits`, or
   * in place the logits' own.
   */
  gradLogits: T;
}

interface WithRows<T> {
  /** The statistics of each row. */
  rows: T;
}

/** What a result has by the options `gradient` and `rows`: a member that is asked for, and no other. */
export type AskedFor<G extends GradientChoice, Gradient, S extends boolean, Rows> = IfAsked<G, WithGradient<Gradient>> &
  IfAsked<S, WithRows<Rows>>;

/**
 * `R` is the reduction, `A` the kind of array that holds the logits, `G` and `S` are the options `gradient` and `rows`.
 * `gradLogits` is there unless `gradient` is false, `rows` where `rows` is true.
 */
export type BearLossResult<
  R extends Reduction = Reduction,
  A extends LogitsArray = Float32Array | Uint16Array,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> = LossCounts & LossByReduction<R> & AskedFor<G, GradientArray<A>, S, RowStatistics>;

// A view of shared memory has a gradient in ordinary memory, so the buffer's type is not that of the logits.
type GradientArray<A> = A extends Float32Array ? Float32Array : A extends Uint16Array ? Uint16Array : A;

/** Puts together what the addon counted and the arrays that it filled. */
export function assembleResult(
  summary: NativeSummary,
  { options, outputs }: { options: { pruningStatistics: boolean }; outputs: Outputs },
): BearLossResult {
  const counts = lossCounts(summary, options.pruningStatistics);
  const result: BearLossResult = {
    loss: (outputs.rowLosses ?? summary.loss) as BearLossResult['loss'],
    countedRows: counts.countedRows,
    prunedRate: counts.prunedRate,
    accuracy: counts.accuracy,
    nonFiniteRows: counts.nonFiniteRows,
  };
  // Left out where not asked for, as a caller may look with `in`.
  if (outputs.gradient.data !== undefined) result.gradLogits = outputs.gradient.data as Float32Array | Uint16Array;
  if (outputs.rows !== undefined) result.rows = outputs.rows;
  return result;
}

export function lossCounts(summary: NativeSummary, pruningStatistics: boolean): LossCounts {
  const { countedRows } = summary;
  const share = (rows: number) => (countedRows === 0 ? 0 : rows / countedRows);
  return {
    countedRows,
    prunedRate: pruningStatistics ? share(summary.prunedRows) : Number.NaN,
    accuracy: share(summary.topRankedRows),
    nonFiniteRows: Array.from(summary.nonFiniteRows), // the addon makes arrays of another realm
  };
}
