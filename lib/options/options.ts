// The types of the options. docs/math.md has the formulas; option-table.ts has ranges and defaults.

// The lists are in the order of native/core/option_names.h, as names cross to the addon by their position; a test
// compares the two.
export const PENALTIES = ['hinge', 'softplus', 'log-sigmoid', 'sigmoid', 'reweight', 'none'] as const;
export const REDUCTIONS = ['mean', 'sum', 'none', 'weighted-mean'] as const;
export const DTYPES = ['float32', 'float16', 'bfloat16'] as const;
export const THRESHOLD_GRADIENTS = ['detach', 'flow'] as const;
export const GRADIENTS = [true, false, 'in-place', 'in-place-sparse'] as const;
export const GRADIENT_MODES = ['none', 'out-of-place', 'in-place', 'in-place-sparse'] as const;

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

/** The allowed-token constraint as lists: those of row i are `tokens[offsets[i]]` up to `tokens[offsets[i + 1]]`. */
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

export interface GradientOutput {
  /**
   * Takes the gradient in place of a new array: same kind of array as the logits, at least (N - 1) * rowStride + V
   * elements. May lie exactly on the logits (same memory, same stride); any other overlap with an input is
   * ERR_BEAR_OUT_OVERLAP, too small is ERR_BEAR_OUT_TOO_SMALL.
   */
  gradLogits?: LogitsArray;
  /** Elements from row to row, at least V, default V. Elements between the rows are left alone. */
  rowStride?: number;
}

/**
 * N rows are scored at a time, each with V logits. Every option is optional, and `undefined` means its default.
 *
 * `R`, `G` and `S` are the types of `reduction`, `gradient` and `rows`, which decide the type of the result.
 */
export interface BearLossOptions<
  R extends Reduction = Reduction,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> {
  /** V, the number of tokens. Needed where `logits` is a flat array whose length is not N * V, or has padded rows. */
  vocabSize?: number;
  /** Elements from the start of one row of the logits to that of the next; at least V, default V. */
  rowStride?: number;
  /** Default: that of the array. Needed for a `Uint16Array`: `float16` or `bfloat16`. */
  dtype?: DType;
  /** B, the width of the beam search to come: a positive integer, default 10. More than there are tokens is legal. */
  beamWidth?: number;
  /**
   * r(delta), default `hinge`. delta is the pruning margin: the B-th largest scaled logit minus the target's.
   *
   * `hinge` max(0, delta + margin); `softplus` log(1 + exp(delta / xi)); `sigmoid` sigma(delta / xi): these push
   * targets that a beam search would drop. `log-sigmoid` log sigma(delta / xi), the paper's; `reweight`, the row's
   * cross-entropy times 1 + lambda * sigma(-delta / xi), that of the authors' scripts. `none`: plain cross-entropy
   * (under a constraint: the masked softmax loss).
   */
  penalty?: Penalty;
  /** The factor of the penalty, from -1e36 to 1e36, default 0.25. */
  lambda?: number;
  /** The scale of the pruning margin, from 1e-36 to 1e36, default 1; for all kinds but `hinge`. */
  xi?: number;
  /** From -1e36 to 1e36, default 0; for `hinge`. */
  margin?: number;
  /** Whether the gradient takes the threshold as a constant (`detach`, default, as the paper does) or not (`flow`). */
  thresholdGradient?: ThresholdGradient;
  /** tau, from 1e-36 to 1e36, default 1: scaled logits are softcap(z) / tau. */
  temperature?: number;
  /** c of softcap(z) = c tanh(z / c), from 1e-36 to 1e36; default no cap. */
  softcap?: number;
  /** Share of the cross-entropy's target that is spread evenly over the allowed tokens, in [0, 1), default 0. */
  labelSmoothing?: number;
  /** Adds zLoss * log-sum-exp^2 to a row; from 0 to 1e36, default 0. */
  zLoss?: number;
  /** Rows with this target count for nothing and get a gradient of zeros. A 32-bit integer, default -100. */
  ignoreIndex?: number;
  /** [N], multiplies a row's loss and gradient. A weight of 0 still counts as a row. */
  tokenWeights?: Float32Array;
  /** [N], multiplies lambda in a row. */
  penaltyWeights?: Float32Array;
  /** The tokens that may follow in each row. Softmax, threshold and gradient are over these; default all. */
  allowed?: AllowedTokenLists | AllowedTokenBitmask;
  /**
   * Default `mean`, over counted rows. `sum`. `none`: the vector of row losses, and the gradient of each row by itself.
   * `weighted-mean`: as in the authors' scripts, rows with one allowed token left out.
   */
  reduction?: R;
  /** Divisor of `mean` in place of the number of counted rows, from 1e-36 to 1e36: for gradient accumulation. */
  normalizer?: number;
  /** The upstream gradient: from -1e36 to 1e36, default 1, or for reduction `none` an array [N]. */
  gradOutput?: number | Float32Array;
  /**
   * Default true: d loss / d logits in a new array, or in `out.gradLogits`. `in-place`: written over the logits.
   * `in-place-sparse`: the same, but only the entries of allowed tokens; needs the constraint as lists. false: none.
   */
  gradient?: G;
  /** Whether the result carries per-row statistics, default false. */
  rows?: S;
  /**
   * Default true. False skips the search for the threshold; only with penalty `none`. Then prunedRate and the rows'
   * threshold and margin are NaN.
   */
  pruningStatistics?: boolean;
  /** Where the gradient goes; default a new array, dense. */
  out?: GradientOutput;
  /** Default `auto`: where the logits live. Why a device cannot be used is one of the ERR_BEAR_CUDA_ codes. */
  device?: Device;
  /** Most threads to use; default the environment's FUSED_BEAR_LOSS_THREADS, else all. Results do not depend on it. */
  threads?: number;
}

/** Options of an asynchronous call. */
export interface AsyncBearLossOptions<
  R extends Reduction = Reduction,
  G extends GradientChoice = GradientChoice,
  S extends boolean = boolean,
> extends BearLossOptions<R, G, S> {
  /** Ends the call early: its promise is rejected with `signal.reason` and nothing is written. */
  signal?: AbortSignal;
}

/** The members of a result that are there where the option `Asked` is not false. */
export type IfAsked<Asked, Members> = [Asked] extends [false]
  ? Record<never, never>
  : false extends Asked
    ? Partial<Members>
    : Members;
