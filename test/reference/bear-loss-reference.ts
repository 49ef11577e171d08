/**
 * The BEAR loss in float64, written to be read beside docs/math.md and to be obviously right. Speed does not matter
 * here: kernels are compared with this file, so it knows nothing of them and imports nothing from the package.
 */

export type ReferencePenalty = 'hinge' | 'softplus' | 'log-sigmoid' | 'sigmoid' | 'reweight' | 'none';
export type ReferenceReduction = 'mean' | 'sum' | 'none' | 'weighted-mean';

/** The options of the public `fusedBearLoss` that have a mathematical meaning, with the same names and defaults. */
export interface ReferenceOptions {
  beamWidth?: number;
  penalty?: ReferencePenalty;
  lambda?: number;
  xi?: number;
  margin?: number;
  thresholdGradient?: 'detach' | 'flow';
  temperature?: number;
  softcap?: number;
  labelSmoothing?: number;
  zLoss?: number;
  ignoreIndex?: number;
  tokenWeights?: ArrayLike<number>;
  penaltyWeights?: ArrayLike<number>;
  allowed?: ReferenceConstraint;
  reduction?: ReferenceReduction;
  normalizer?: number;
  gradOutput?: number | ArrayLike<number>;
  pruningStatistics?: boolean;
}

export type ReferenceConstraint =
  | { offsets: ArrayLike<number>; tokens: ArrayLike<number> }
  | { bitmask: ArrayLike<number> };

export interface ReferenceRows {
  nll: Float64Array;
  logSumExp: Float64Array;
  /** logBeta, the log-probability of the threshold token. */
  threshold: Float64Array;
  /** delta, the pruning margin. */
  margin: Float64Array;
  /** r(delta); for `reweight` w - 1. */
  penalty: Float64Array;
  rank: Int32Array;
  /** The raw logit of the threshold token: every path and device must select exactly this value. */
  thresholdLogit: Float64Array;
  /** Its id by the tie rule; -1 in ignored and poisoned rows. */
  thresholdToken: Int32Array;
}

export interface ReferenceResult {
  /** An array for reduction `none`. */
  loss: number | Float64Array;
  /** [N, V], dense. */
  gradient: Float64Array;
  countedRows: number;
  prunedRate: number;
  accuracy: number;
  nonFiniteRows: number[];
  rows: ReferenceRows;
}

/** sigma(x) = 1 / (1 + exp(-x)), without overflow on either side. */
function logistic(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** log sigma(x), the form of docs/math.md. */
function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

export interface PenaltyTerm {
  /** r(delta); for `reweight` w - 1. */
  value: number;
  /** dr / d delta. */
  slope: number;
  /** k of the gradient formula: w for `reweight`, 1 for every other kind. */
  weight: number;
}

/** The penalty table of docs/math.md. `delta` may be +Infinity, where values and slopes are their limits. */
export function penaltyTerm(
  kind: ReferencePenalty,
  delta: number,
  { lambda, xi, margin }: { lambda: number; xi: number; margin: number },
): PenaltyTerm {
  switch (kind) {
    case 'hinge':
      return { value: Math.max(0, delta + margin), slope: delta + margin > 0 ? 1 : 0, weight: 1 };
    case 'softplus':
      return { value: -logSigmoid(-delta / xi), slope: logistic(delta / xi) / xi, weight: 1 };
    case 'log-sigmoid':
      return { value: logSigmoid(delta / xi), slope: logistic(-delta / xi) / xi, weight: 1 };
    case 'sigmoid':
      return { value: logistic(delta / xi), slope: (logistic(delta / xi) * logistic(-delta / xi)) / xi, weight: 1 };
    case 'reweight': {
      const extra = lambda * logistic(-delta / xi);
      return { value: extra, slope: 0, weight: 1 + extra };
    }
    case 'none':
      return { value: 0, slope: 0, weight: 1 };
  }
}

type Settings = Required<
  Pick<
    ReferenceOptions,
    | 'beamWidth'
    | 'penalty'
    | 'lambda'
    | 'xi'
    | 'margin'
    | 'thresholdGradient'
    | 'temperature'
    | 'labelSmoothing'
    | 'zLoss'
    | 'ignoreIndex'
    | 'reduction'
    | 'pruningStatistics'
  >
>;

const DEFAULTS: Settings = {
  beamWidth: 10,
  penalty: 'hinge',
  lambda: 0.25,
  xi: 1,
  margin: 0,
  thresholdGradient: 'detach',
  temperature: 1,
  labelSmoothing: 0,
  zLoss: 0,
  ignoreIndex: -100,
  reduction: 'mean',
  pruningStatistics: true,
};

/** What one row has to say, before token weights and reduction. */
interface RowEvaluation {
  /** NaN or +Infinity in A, or no finite allowed logit. */
  poisoned: boolean;
  /** n = |A|. */
  allowedCount: number;
  loss: number;
  nll: number;
  logSumExp: number;
  logBeta: number;
  delta: number;
  penalty: PenaltyTerm;
  pruned: boolean;
  rank: number;
  thresholdLogit: number;
  thresholdToken: number;
  /** d row loss / d z_j for the tokens that have one; every other entry is exactly 0. */
  gradient: Map<number, number>;
}

function evaluateRow(
  logits: ArrayLike<number>,
  target: number,
  permitted: readonly number[],
  lambda: number,
  settings: Settings,
  softcap: number | undefined,
): RowEvaluation {
  const { temperature, labelSmoothing: eps, zLoss: zeta } = settings;
  const logit = (token: number) => logits[token] as number;
  const scaled = (token: number) =>
    (softcap === undefined ? logit(token) : softcap * Math.tanh(logit(token) / softcap)) / temperature;
  // 1 - tanh^2 as 1 / cosh^2: the difference would cancel where the cap saturates.
  const scaledSlope = (token: number) =>
    (softcap === undefined ? 1 : 1 / Math.cosh(logit(token) / softcap) ** 2) / temperature;

  const A = permitted.filter((token) => logit(token) !== -Infinity);
  if (A.length === 0) return poisonedRow(permitted);
  if (A.some((token) => !Number.isFinite(logit(token)))) return poisonedRow(A);
  const n = A.length;

  // Order and ties are decided on the raw logits; with JavaScript's comparison -0 equals +0.
  const order = [...A].sort((a, b) => logit(b) - logit(a) || a - b);
  const top = order[0] as number;
  const threshold = order[Math.min(settings.beamWidth, n) - 1] as number;

  // lse = u_top + log(1 + sum of the others relative to the top): a probability near 1 keeps its digits.
  const sumBelowTop = order.slice(1).reduce((sum, token) => sum + Math.exp(scaled(token) - scaled(top)), 0);
  const lseAboveTop = Math.log1p(sumBelowTop);
  const lse = scaled(top) + lseAboveTop;
  const logProbability = (token: number) => scaled(token) - scaled(top) - lseAboveTop;

  const targetIsInA = logit(target) !== -Infinity;
  const nll = targetIsInA ? scaled(top) - scaled(target) + lseAboveTop : Infinity;
  const targetProbability = Math.exp(-nll);
  const otherProbability = -Math.expm1(-nll); // 1 - p_y without cancellation
  const delta = targetIsInA ? scaled(threshold) - scaled(target) : Infinity;
  const penalty = penaltyTerm(settings.penalty, delta, { lambda, xi: settings.xi, margin: settings.margin });

  const uniformNll = A.reduce((sum, token) => sum - logProbability(token), 0) / n;
  const crossEntropy = eps === 0 ? nll : (1 - eps) * nll + eps * uniformNll;
  let loss = penalty.weight * crossEntropy + zeta * lse * lse;
  // A weight of 0 contributes nothing, also where r is infinite.
  if (settings.penalty !== 'reweight' && lambda !== 0) loss += lambda * penalty.value;
  if (!targetIsInA) loss = Infinity; // whatever the sign of the penalty

  const gradient = new Map<number, number>();
  for (const token of targetIsInA ? A : [...A, target]) {
    const isTarget = token === target;
    const p = isTarget ? targetProbability : Math.exp(logProbability(token));
    const pMinusTarget = isTarget ? -otherProbability : p; // p_j - [j = y]
    const crossEntropySlope = pMinusTarget + (isTarget ? eps : 0) - eps / n;
    const marginSlope =
      settings.thresholdGradient === 'detach' ? pMinusTarget : (token === threshold ? 1 : 0) - (isTarget ? 1 : 0);
    const slope = penalty.weight * crossEntropySlope + lambda * penalty.slope * marginSlope + 2 * zeta * lse * p;
    gradient.set(token, slope * scaledSlope(token));
  }

  return {
    poisoned: false,
    allowedCount: n,
    loss,
    nll,
    logSumExp: lse,
    logBeta: logProbability(threshold),
    delta,
    penalty,
    pruned: logit(threshold) > logit(target),
    rank: A.filter((token) => logit(token) > logit(target)).length,
    thresholdLogit: logit(threshold),
    thresholdToken: threshold,
    gradient,
  };
}

function poisonedRow(tokens: readonly number[]): RowEvaluation {
  return {
    poisoned: true,
    allowedCount: tokens.length,
    loss: NaN,
    nll: NaN,
    logSumExp: NaN,
    logBeta: NaN,
    delta: NaN,
    penalty: { value: NaN, slope: NaN, weight: NaN },
    pruned: false,
    rank: -1,
    thresholdLogit: NaN,
    thresholdToken: -1,
    gradient: new Map(tokens.map((token) => [token, NaN])),
  };
}

/** The tokens that the constraint permits in a row, ascending; all of them where there is no constraint. */
function permittedTokens(
  constraint: ReferenceConstraint | undefined,
  row: number,
  vocabSize: number,
): readonly number[] {
  const all = Array.from({ length: vocabSize }, (_, token) => token);
  if (constraint === undefined) return all;
  if ('offsets' in constraint) {
    return Array.from(constraint.tokens).slice(constraint.offsets[row], constraint.offsets[row + 1]);
  }
  const words = Math.ceil(vocabSize / 32);
  return all.filter((token) => {
    const word = constraint.bitmask[row * words + (token >> 5)] as number;
    return ((word >>> (token & 31)) & 1) === 1;
  });
}

/**
 * The loss, its gradient and every statistic, in float64.
 *
 * @param rows N rows of V logits each, as numbers (decode float16 and bfloat16 first)
 * @param targets [N]
 */
export function bearLossReference(
  rows: readonly ArrayLike<number>[],
  targets: ArrayLike<number>,
  options: ReferenceOptions = {},
): ReferenceResult {
  const settings: Settings = { ...DEFAULTS, ...definedOnly(options) };
  const vocabSize = rows[0]?.length ?? 0;
  const evaluations = rows.map((logits, row): RowEvaluation | undefined => {
    const target = targets[row] as number;
    if (target === settings.ignoreIndex) return undefined;
    const lambda = settings.lambda * (options.penaltyWeights?.[row] ?? 1);
    const permitted = permittedTokens(options.allowed, row, vocabSize);
    return evaluateRow(logits, target, permitted, lambda, settings, options.softcap);
  });

  const { loss, gradientScale } = reduce(evaluations, settings, options);
  const gradient = new Float64Array(rows.length * vocabSize);
  evaluations.forEach((evaluation, row) => {
    evaluation?.gradient.forEach((slope, token) => {
      gradient[row * vocabSize + token] = slope * (gradientScale[row] as number);
    });
  });

  const counted = evaluations.filter((evaluation) => evaluation !== undefined);
  const share = (count: number) => (counted.length === 0 ? 0 : count / counted.length);
  return {
    loss,
    gradient,
    countedRows: counted.length,
    prunedRate: settings.pruningStatistics ? share(counted.filter((evaluation) => evaluation.pruned).length) : NaN,
    accuracy: share(counted.filter((evaluation) => evaluation.rank === 0).length),
    nonFiniteRows: evaluations.flatMap((evaluation, row) =>
      evaluation !== undefined && !Number.isFinite(evaluation.nll) ? [row] : [],
    ),
    rows: rowStatistics(evaluations, settings),
  };
}

/** The table "Over the rows" of docs/math.md: the loss, and what each row's gradient is multiplied by. */
function reduce(
  evaluations: readonly (RowEvaluation | undefined)[],
  settings: Settings,
  options: ReferenceOptions,
): { loss: number | Float64Array; gradientScale: number[] } {
  const tokenWeight = (row: number) => options.tokenWeights?.[row] ?? 1;
  const upstream = (row: number) =>
    typeof options.gradOutput === 'object' ? (options.gradOutput[row] as number) : (options.gradOutput ?? 1);
  const weightedLoss = (evaluation: RowEvaluation, row: number) => tokenWeight(row) * evaluation.loss;
  const total = (entries: readonly (RowEvaluation | undefined)[]) =>
    entries.reduce((sum, entry, row) => (entry === undefined ? sum : sum + weightedLoss(entry, row)), 0);

  switch (settings.reduction) {
    case 'none':
      return {
        loss: Float64Array.from(evaluations, (entry, row) => (entry === undefined ? 0 : weightedLoss(entry, row))),
        gradientScale: evaluations.map((_, row) => upstream(row) * tokenWeight(row)),
      };
    case 'sum':
      return {
        loss: total(evaluations),
        gradientScale: evaluations.map((_, row) => upstream(row) * tokenWeight(row)),
      };
    case 'mean': {
      const counted = evaluations.filter((entry) => entry !== undefined).length;
      const divisor = options.normalizer ?? counted;
      return {
        loss: counted === 0 ? 0 : total(evaluations) / divisor,
        gradientScale: evaluations.map((_, row) => (upstream(row) * tokenWeight(row)) / divisor),
      };
    }
    case 'weighted-mean': {
      // Forced rows add nothing. Poisoned rows make the loss NaN, forced or not, but stay out of the divisor, so that
      // the other rows keep finite gradients.
      const takesPart = (entry: RowEvaluation) => entry.poisoned || entry.allowedCount > 1;
      const members = evaluations.map((entry) => (entry !== undefined && takesPart(entry) ? entry : undefined));
      const divisor = members.reduce(
        (sum, entry, row) =>
          entry === undefined || entry.poisoned ? sum : sum + tokenWeight(row) * entry.penalty.weight,
        1e-8,
      );
      return {
        loss: members.every((entry) => entry === undefined) ? 0 : total(members) / divisor,
        gradientScale: members.map((entry, row) =>
          entry === undefined ? 0 : (upstream(row) * tokenWeight(row)) / divisor,
        ),
      };
    }
  }
}

function rowStatistics(evaluations: readonly (RowEvaluation | undefined)[], settings: Settings): ReferenceRows {
  const column = (value: (evaluation: RowEvaluation) => number) =>
    Float64Array.from(evaluations, (evaluation) => (evaluation === undefined ? 0 : value(evaluation)));
  const thresholdColumn = (value: (evaluation: RowEvaluation) => number) =>
    column((evaluation) => (settings.pruningStatistics ? value(evaluation) : NaN));
  return {
    nll: column((evaluation) => evaluation.nll),
    logSumExp: column((evaluation) => evaluation.logSumExp),
    threshold: thresholdColumn((evaluation) => evaluation.logBeta),
    margin: thresholdColumn((evaluation) => evaluation.delta),
    penalty: column((evaluation) => evaluation.penalty.value),
    rank: Int32Array.from(evaluations, (evaluation) => evaluation?.rank ?? -1),
    thresholdLogit: column((evaluation) => evaluation.thresholdLogit),
    thresholdToken: Int32Array.from(evaluations, (evaluation) => evaluation?.thresholdToken ?? -1),
  };
}

function definedOnly<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
