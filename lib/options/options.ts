// The types of the options. docs/math.md has the formulas; option-table.ts has ranges and defaults.

// The lists are in the order of native/core/option_names.h, as names cross to the addon by their position; a test
// compares the two.
export const PENALTIES = ['hinge', 'softplus', 'log-sigmoid', 'sigmoid', 'reweight', 'none'] as const;
export const REDUCTIONS = ['mean', 'sum', 'none', 'weighted-mean'] as const;
export const DTYPES = ['float32', 'float16', 'bfloat16'] as const;
export const THRESHOLD_GRADIENTS = ['detach', 'flow'] as const;
export const GRADIENTS = [true, false, 'in-place', 'in-place-sparse', 'sparse'] as const;
export const GRADIENT_MODES = ['none', 'out-of-place', 'in-place', 'in-place-sparse', 'sparse'] as const;

export type Penalty = (typeof PENALTIES)[number];
export type Reduction = (typeof REDUCTIONS)[number];
export type DType = (typeof DTYPES)[number];
export type ThresholdGradient = (typeof THRESHOLD_GRADIENTS)[number];
export type GradientChoice = (typeof GRADIENTS)[number];
export type GradientMode = (typeof GRADIENT_MODES)[number];
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/** `Float16Array` where the TypeScript library in use knows it (Node has it from version 24 on), else `never`. */
export type Float16ArrayIfKnown = typeof globalThis extends { Float16Array: { prototype: infer Instance } }
  ? Instance
  : never;

/** The arrays that hold logits and their gradient. A `Uint16Array` holds the bits of float16 or bfloat16 numbers. */
export type LogitsArray = Float32Array | Uint16Array | Float16ArrayIfKnown;

/** The allowed-token constraint as lists: row i allows `tokens[offsets[i]]` up to, not including, `tokens[offsets[i + 1]]`. */
export interface AllowedTokenLists {
  /** [N + 1], from 0 to the number of tokens, never falling. */
  offsets: Int32Array;
  /** Token ids in [0, V), strictly ascending within a row. */
  tokens: Int32Array;
}

/** The allowed-token constraint as bits: token j of row i is bit (j & 31) of word i * ceil(V / 32) + (j >> 5). */
export interface AllowedTokenBitmask {
  /** [N * ceil(V / 32)]. Bits past V are ignored. */
  bitmask: Uint32Array;
}

/** Where the gradient is written, in place of a new array. */
export interface GradientOutput {
  /**
   * Takes the gradient: the same kind of array as the logits, at least (N - 1) * rowStride + V elements, or with
   * `gradient: 'sparse'` one for each of `allowed.tokens`. A dense one may lie exactly on the logits (same memory, same
   * stride). Throws ERR_BEAR_OUT_OVERLAP for any other overlap with an input, ERR_BEAR_OUT_TOO_SMALL, or ERR_BEAR_DTYPE.
   */
  gradLogits?: LogitsArray;
  /** Elements from the start of one row to the next, at least V. Elements between the rows are not written. Default: V. Not taken with `gradient: 'sparse'`. */
  rowStride?: number;
}

/**
 * Options of the loss of N rows of V logits. Every option may be left out, and `undefined` means its default.
 *
 * An unknown name throws ERR_BEAR_OPTION_UNKNOWN, a value of the wrong type ERR_BEAR_ARGUMENT_TYPE, a value outside the
 * range ERR_BEAR_OPTION_VALUE, an array of the wrong length ERR_BEAR_SHAPE, and options that exclude each other
 * ERR_BEAR_OPTION_CONFLICT.
 *
 * `R`, `G` and `S` are the types of `reduction`, `gradient` and `rows`, which decide the type of the result.
 *
 * @example
 * const options: BearLossOptions = { beamWidth: 20, penalty: 'softplus', lambda: 0.5, xi: 2 };
 */
export interface BearLossOptions<
  R extends Reduction = Reduction,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> {
  /**
   * V, the number of tokens: a positive integer. Required if `logits` is a flat array with padded rows, or if its length is
   * not N * V. Default: from the shape.
   */
  vocabSize?: number;
  /** Elements from the start of one row of the logits to the next, at least V. Default: V. */
  rowStride?: number;
  /** Dtype of the logits. Required for a `Uint16Array`: `float16` or `bfloat16`. Default: from the array. */
  dtype?: DType;
  /**
   * B, the width of the beam search that the model is trained for: a positive integer, which may be above V.
   *
   * @default 10
   */
  beamWidth?: number;
  /**
   * The penalty r(delta). delta is the pruning margin: the B-th largest scaled logit minus the target's.
   *
   * - `hinge`: max(0, delta + margin).
   * - `softplus`: log(1 + exp(delta / xi)).
   * - `sigmoid`: sigma(delta / xi).
   * - `log-sigmoid`: log sigma(delta / xi), the penalty of the paper.
   * - `reweight`: multiplies the cross-entropy of the row by 1 + lambda * sigma(-delta / xi), as the authors' scripts do.
   * - `none`: cross-entropy; with `allowed`, the masked softmax loss.
   *
   * `hinge`, `softplus` and `sigmoid` weight targets that beam search would drop.
   *
   * @default 'hinge'
   */
  penalty?: Penalty;
  /**
   * Weight of the penalty, from -1e36 to 1e36.
   *
   * @default 0.25
   */
  lambda?: number;
  /**
   * Scale of the pruning margin, in units of the scaled logits, from 1e-36 to 1e36. Not for `hinge`.
   *
   * @default 1
   */
  xi?: number;
  /**
   * Added to the pruning margin, in units of the scaled logits, from -1e36 to 1e36. Only for `hinge`.
   *
   * @default 0
   */
  margin?: number;
  /**
   * Whether the gradient treats the threshold as a constant (`detach`, as the paper does) or also goes through the threshold
   * token (`flow`). Not for `reweight`.
   *
   * @default 'detach'
   */
  thresholdGradient?: ThresholdGradient;
  /**
   * tau, from 1e-36 to 1e36. Scaled logits are softcap(z) / tau.
   *
   * @default 1
   */
  temperature?: number;
  /** c of softcap(z) = c tanh(z / c), from 1e-36 to 1e36, in units of the logits. Default: no cap. */
  softcap?: number;
  /**
   * Share of the cross-entropy that is spread evenly over the allowed tokens, in [0, 1).
   *
   * @default 0
   */
  labelSmoothing?: number;
  /**
   * Adds zLoss * log-sum-exp^2 to the loss of each row. From 0 to 1e36.
   *
   * @default 0
   */
  zLoss?: number;
  /**
   * Rows with this target are not counted, and their gradient is 0. A 32-bit integer.
   *
   * @default -100
   */
  ignoreIndex?: number;
  /** [N], multiplies the loss and gradient of each row. A row of weight 0 still counts as a row. Default: all 1. */
  tokenWeights?: Float32Array;
  /** [N], multiplies lambda in each row. Default: all 1. */
  penaltyWeights?: Float32Array;
  /** The tokens that may follow, per row. Softmax, threshold and gradient are over these. Default: every token. */
  allowed?: AllowedTokenLists | AllowedTokenBitmask;
  /**
   * - `mean`: the mean over counted rows.
   * - `sum`: the sum.
   * - `none`: the loss of each row, [N], and the gradient of each row by itself.
   * - `weighted-mean`: as in the authors' scripts, without rows that allow a single token.
   *
   * @default 'mean'
   */
  reduction?: R;
  /** Divisor of `mean`, from 1e-36 to 1e36, for gradient accumulation. Default: the number of counted rows. */
  normalizer?: number;
  /**
   * The upstream gradient: a number from -1e36 to 1e36, or, for reduction `none`, an array [N].
   *
   * @default 1
   */
  gradOutput?: number | Float32Array;
  /**
   * - `true`: d loss / d logits is written to a new array, or to `out.gradLogits`.
   * - `in-place`: it is written over the logits.
   * - `in-place-sparse`: the same, but only the entries of allowed tokens; needs `allowed` as lists.
   * - `sparse`: the entries of allowed tokens alone, one for each of `allowed.tokens`, are written to a new array, or to
   *   `out.gradLogits`. Needs `allowed` as lists; on the CPU only.
   * - `false`: no gradient.
   *
   * @default true
   */
  gradient?: G;
  /**
   * Whether the result has the statistics of each row.
   *
   * @default false
   */
  rows?: S;
  /**
   * Whether the threshold is computed if nothing but the statistics needs it. `false` only with `none`; then `prunedRate` and
   * the rows' `threshold` and `margin` are NaN.
   *
   * @default true
   */
  pruningStatistics?: boolean;
  /** Where the gradient is written; only with `gradient: true` or `'sparse'`. Default: a new array, without padding. */
  out?: GradientOutput;
  /**
   * `auto` is the CPU. `cuda` is the first GPU: the arrays are copied there and back. Throws one of the ERR_BEAR_CUDA_ codes
   * if the device cannot be used. Logits that are on a GPU already: `fused-bear-loss/cuda`.
   *
   * @default 'auto'
   */
  device?: Device;
  /**
   * Largest number of threads, a positive integer. Results do not depend on it. Default: the environment variable
   * FUSED_BEAR_LOSS_THREADS, or as many as the process may run at a time.
   */
  threads?: number;
}

/** Options of an asynchronous call. */
export interface AsyncBearLossOptions<
  R extends Reduction = Reduction,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> extends BearLossOptions<R, G, S> {
  /**
   * Uses logits and `out.gradLogits` where they lie and copies neither. Their buffers can never be transferred afterwards
   * (`worker_threads.markAsUntransferable`). They are copied all the same if the runtime does not keep a marked buffer in
   * place (Node 20 and 22, Bun), or if the memory is resizable or WebAssembly's.
   *
   * @default false
   */
  borrow?: boolean;
  /**
   * Ends the call early: its promise is rejected with `signal.reason`. Nothing is written, unless the call writes its
   * gradient to shared or borrowed memory: that may hold anything then.
   */
  signal?: AbortSignal;
}

/** The members of a result that are there where the option `Asked` is not false. */
export type IfAsked<Asked, Members> = [Asked] extends [false]
  ? Record<never, never>
  : false extends Asked
    ? Partial<Members>
    : Members;
