import type { NativeSummary } from '../native/binding.js';
import type { LogitsArray, Reduction } from './options.js';
import type { RowStatistics } from './outputs.js';
import type { PreparedCall } from './prepare-call.js';

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

/** `R` is the reduction, `A` the kind of array that holds the logits. */
export interface BearLossResult<R extends Reduction = Reduction, A extends LogitsArray = Float32Array | Uint16Array>
  extends LossCounts {
  /** The loss; for reduction `none` that of each row, [N]. 0 where no row counts. */
  loss: R extends 'none' ? Float32Array : number;
  /**
   * d loss / d logits, [N, V] in the logits' dtype: a new array, `out.gradLogits`, or in place the logits' own. Undefined
   * where no gradient was asked for.
   */
  gradLogits?: GradientArray<A>;
  /** Where `rows: true` asked for them. */
  rows?: RowStatistics;
}

// A view of shared memory has a gradient in ordinary memory, so the buffer's type is not that of the logits.
type GradientArray<A> = A extends Float32Array ? Float32Array : A extends Uint16Array ? Uint16Array : A;

/** Puts together what the addon counted and the arrays that it filled. */
export function assembleResult(summary: NativeSummary, { call, outputs }: PreparedCall): BearLossResult {
  const counts = lossCounts(summary, call.pruningStatistics);
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
