import { discountedGainsAt, hitsAt, prunedByStep, pruningRows, type StepPruning } from 'fused-bear-loss/decoding';
import { cutoffsOf, mainCutoff } from '../data/protocols.js';
import { type Evaluation, ofExactRows } from '../training/evaluation.js';
import type { MarginHistogram } from '../training/margins.js';
import type { RunResult } from '../training/run.js';
import type { RunOptions } from '../training/run-options.js';
import { bootstrapDifference, bootstrapInterval, type Interval, type RatioRows } from './bootstrap.js';
import type { Comparison, Control, HeldOut } from './comparison.js';

export const PARTS = ['validation', 'test'] as const;
export type Part = (typeof PARTS)[number];

/** The variant that others are compared with: cross-entropy over the allowed tokens, without a penalty. */
export const REFERENCE = 'msl';

/** Of a ranker on the rows of one part. Intervals hold 95 % of resamples of the users. */
export interface Figures {
  /** At each of the summary's cutoffs. */
  hitRatio: Interval[];
  ndcg: Interval[];
  /** NDCG@k of the exact ranking of the whole catalogue: what beam search could have found. Baselines have no beam. */
  exactNdcg?: Interval;
  pruning?: { rate: Interval; pruned: number; eligible: number };
  /** To the reference, on the same users and seeds. */
  difference?: Difference;
}

export interface Difference {
  /** NDCG less that of the reference. */
  ndcg: Interval;
  ndcgBySeed: number[];
  /** Pruning rate relative to that of the reference: -0.2 is 20 % lower. */
  pruningRate: Interval;
  pruningRateBySeed: number[];
}

export interface VariantSummary {
  name: string;
  figures: Partial<Record<Part, Figures>>;
  /** By decision, over the rows whose target is among the exact best: how many the beam still held and how many it lost. */
  steps: Partial<Record<Part, StepPruning[]>>;
  /** After each epoch that every seed reached. */
  training: EpochSummary[];
  /** Of the median epoch, in milliseconds: another program on the machine may hold up some epochs. */
  time: { loss: number; rest: number };
  /** Sums over the seeds, of the validation rows. */
  marginsBefore: MarginHistogram;
  marginsAfter: MarginHistogram;
}

/** The reference at the entropy of a contender. */
export interface ControlSummary {
  name: string;
  contender: string;
  temperatures: readonly number[];
  entropies: readonly number[];
  /** With the difference to the reference as it was trained. */
  figures: Partial<Record<Part, Figures>>;
  /** The contender's figures less these. */
  contenderDifference: Partial<Record<Part, Difference>>;
}

/** Over the seeds. */
interface Spread {
  mean: number;
  low: number;
  high: number;
}

export interface EpochSummary {
  epoch: number;
  /** NDCG@10 on the validation rows. */
  validationNdcg: Spread;
  /** Of the training rows, during the epoch. */
  crossEntropy: Spread;
  prunedRate: Spread;
}

export interface ComparisonSummary {
  description: string;
  seeds: readonly number[];
  /** What all runs share. */
  options: RunOptions;
  beamWidth: number;
  /** Of HitRatio@K and NDCG@K. */
  cutoffs: readonly number[];
  /** The one that differences and choices are by. */
  k: number;
  parts: readonly Part[];
  rows: Record<Part, number>;
  baselines: { name: string; figures: Partial<Record<Part, Figures>> }[];
  variants: VariantSummary[];
  control?: ControlSummary;
  /** What the validation rows choose, by `chooseOnValidation`. */
  chosen: string | undefined;
}

/**
 * All figures of a comparison. The rows of all seeds of a variant are pooled, and resampled by user: the rows of a user stay
 * together, over all seeds. So the intervals hold what the choice of users moves; what the seed moves is beside them, seed by
 * seed.
 *
 * @param parts the parts to look at: without 'test' while settings are still being chosen
 */
export function summarize(comparison: Comparison, parts: readonly Part[] = PARTS): ComparisonSummary {
  const { description, seeds, options, validation, test } = comparison;
  const { beamWidth } = options;
  const reference = comparison.variants.find(({ name }) => name === REFERENCE)?.results;
  const k = mainCutoff(options);
  const cutoffs = cutoffsOf(options);
  const byPart = <T>(of: (part: Part, heldOut: HeldOut) => T) =>
    Object.fromEntries(parts.map((part) => [part, of(part, comparison[part])])) as Partial<Record<Part, T>>;
  const figuresOf = (results: readonly Evaluated[], part: Part, { users }: HeldOut, isReference: boolean): Figures => ({
    ...modelFigures(evaluations(results, part), users, { cutoffs, k, beamWidth }),
    ...(reference &&
      !isReference && {
        difference: difference(evaluations(results, part), evaluations(reference, part), users, k, beamWidth),
      }),
  });
  const variants = comparison.variants.map(({ name, results }) => ({
    name,
    figures: byPart((part, heldOut) => figuresOf(results, part, heldOut, name === REFERENCE)),
    steps: byPart((part) => stepPruning(evaluations(results, part), beamWidth)),
    training: trainingCurve(results),
    time: medianTimes(results),
    marginsBefore: sumHistograms(results.map(({ marginsBefore }) => marginsBefore)),
    marginsAfter: sumHistograms(results.map(({ marginsAfter }) => marginsAfter)),
  }));
  const baselines = validation.baselines.map(({ name }, index) => ({
    name,
    figures: byPart((_, { baselines, users }) => rankFigures([baselines[index]?.ranks ?? []], users, cutoffs)),
  }));
  const summaryOf = ({ contender, results, ...searched }: Control): ControlSummary => {
    const runs = comparison.variants.find(({ name }) => name === contender)?.results ?? [];
    return {
      name: `${REFERENCE} at the entropy of ${contender}`,
      contender,
      ...searched,
      figures: byPart((part, heldOut) => figuresOf(results, part, heldOut, false)),
      contenderDifference: byPart((part, { users }) =>
        difference(evaluations(runs, part), evaluations(results, part), users, k, beamWidth),
      ),
    };
  };
  const control = comparison.control && summaryOf(comparison.control);
  const rows = { validation: validation.users.length, test: test.users.length };
  return {
    description,
    seeds,
    options,
    beamWidth,
    cutoffs,
    k,
    parts,
    rows,
    baselines,
    variants,
    ...(control && { control }),
    chosen: chooseOnValidation(variants),
  };
}

/**
 * The variant with the lowest pruning rate on the validation rows, of those that have the reference's NDCG at least. Test rows
 * are not looked at. Undefined where no variant has a lower rate than the reference at no lower NDCG.
 */
export function chooseOnValidation(variants: readonly Pick<VariantSummary, 'name' | 'figures'>[]): string | undefined {
  const candidates = variants.flatMap(({ name, figures }) => {
    const { ndcg, pruningRate } = figures.validation?.difference ?? {};
    const isCandidate = ndcg && pruningRate && ndcg.estimate >= 0 && pruningRate.estimate < 0;
    return isCandidate ? [{ name, rate: pruningRate.estimate }] : [];
  });
  return candidates.sort((a, b) => a.rate - b.rate)[0]?.name;
}

type Evaluated = Pick<RunResult, Part>;

function evaluations(results: readonly Evaluated[], part: Part): Evaluation[] {
  return results.map((result) => result[part]);
}

/** The users of the rows of all seeds, one seed after the other. */
function pooledUsers(users: readonly number[], seeds: number): number[] {
  return Array.from({ length: seeds }, () => users).flat();
}

function rankFigures(
  ranks: readonly number[][],
  users: readonly number[],
  cutoffs: ComparisonSummary['cutoffs'],
): Figures {
  const clusters = pooledUsers(users, ranks.length);
  return {
    hitRatio: cutoffs.map((k) => bootstrapInterval(hitsAt(ranks.flat(), k), { clusters })),
    ndcg: cutoffs.map((k) => bootstrapInterval(discountedGainsAt(ranks.flat(), k), { clusters })),
  };
}

function modelFigures(
  runs: readonly Evaluation[],
  users: readonly number[],
  { cutoffs, k, beamWidth }: Pick<ComparisonSummary, 'cutoffs' | 'k' | 'beamWidth'>,
): Figures {
  const clusters = usersOfExactRows(runs, users);
  const exactRanks = runs.flatMap((run) => run.exactRanks);
  const pruning = pooledPruning(runs, beamWidth);
  return {
    ...rankFigures(
      runs.map(({ beamRanks }) => beamRanks),
      users,
      cutoffs,
    ),
    exactNdcg: bootstrapInterval(discountedGainsAt(exactRanks, k), { clusters }),
    pruning: {
      rate: bootstrapInterval(pruning, { clusters }),
      pruned: sum(pruning.numerators),
      eligible: sum(pruning.denominators),
    },
  };
}

function difference(
  runs: readonly Evaluation[],
  reference: readonly Evaluation[],
  users: readonly number[],
  k: number,
  beamWidth: number,
): Difference {
  const options = { clusters: pooledUsers(users, runs.length) };
  const ofSample = { clusters: usersOfExactRows(runs, users) };
  const gains = (each: readonly Evaluation[]) =>
    discountedGainsAt(
      each.flatMap(({ beamRanks }) => beamRanks),
      k,
    );
  const bySeed = <T>(of: (run: Evaluation, other: Evaluation) => T) =>
    runs.map((run, index) => of(run, reference[index] as Evaluation));
  return {
    ndcg: bootstrapDifference(gains(runs), gains(reference), options).difference,
    ndcgBySeed: bySeed((run, other) => mean(gains([run])) - mean(gains([other]))),
    pruningRate: bootstrapDifference(pooledPruning(runs, beamWidth), pooledPruning(reference, beamWidth), ofSample)
      .relative,
    pruningRateBySeed: bySeed((run, other) => rateOf([run], beamWidth) / rateOf([other], beamWidth) - 1),
  };
}

/** The users of the rows whose exact ranking is known, one seed after the other. */
function usersOfExactRows(runs: readonly Evaluation[], users: readonly number[]): number[] {
  return runs.flatMap(({ exactRows }) => exactRows.map((row) => users[row] as number));
}

function pooledPruning(runs: readonly Evaluation[], beamWidth: number): Required<RatioRows> {
  const samples = runs.map(ofExactRows);
  return pruningRows(
    samples.flatMap(({ exactRanks }) => exactRanks),
    samples.flatMap(({ beamRanks }) => beamRanks),
    beamWidth,
  );
}

function rateOf(runs: readonly Evaluation[], beamWidth: number): number {
  const { numerators, denominators } = pooledPruning(runs, beamWidth);
  return sum(numerators) / sum(denominators);
}

function stepPruning(runs: readonly Evaluation[], beamWidth: number): StepPruning[] {
  const samples = runs.map(ofExactRows);
  const droppedAt = Int32Array.from(samples.flatMap((run) => run.droppedAt));
  const steps = Int32Array.from(samples.flatMap((run) => run.steps));
  return prunedByStep({ droppedAt, steps }, pooledPruning(runs, beamWidth).denominators);
}

function trainingCurve(results: readonly RunResult[]): VariantSummary['training'] {
  const epochs = Math.min(...results.map(({ metrics }) => metrics.length));
  const spread = (values: readonly number[]): Spread => ({
    mean: mean(values),
    low: Math.min(...values),
    high: Math.max(...values),
  });
  return Array.from({ length: epochs }, (_, index) => {
    const of = (name: 'validationNdcg' | 'crossEntropy' | 'prunedRate') =>
      spread(results.map(({ metrics }) => metrics[index]?.[name] ?? Number.NaN));
    return {
      epoch: index + 1,
      validationNdcg: of('validationNdcg'),
      crossEntropy: of('crossEntropy'),
      prunedRate: of('prunedRate'),
    };
  });
}

function medianTimes(results: readonly RunResult[]): VariantSummary['time'] {
  const epochs = results.flatMap(({ metrics }) => metrics);
  const loss = median(epochs.map(({ lossMilliseconds }) => lossMilliseconds));
  return { loss, rest: median(epochs.map(({ stepMilliseconds }) => stepMilliseconds)) - loss };
}

function sumHistograms(histograms: readonly MarginHistogram[]): MarginHistogram {
  const [{ binWidth, from }] = histograms as [MarginHistogram, ...MarginHistogram[]];
  const addUp = (arrays: readonly (readonly number[])[]) =>
    (arrays[0] ?? []).map((_, index) => sum(arrays.map((array) => array[index] ?? 0)));
  const places = histograms[0]?.counts ?? [];
  return {
    binWidth,
    from,
    counts: places.map((_, place) => addUp(histograms.map(({ counts }) => counts[place] ?? []))),
    decisions: addUp(histograms.map(({ decisions }) => decisions)),
    pruned: addUp(histograms.map(({ pruned }) => pruned)),
  };
}

function sum(values: ArrayLike<number>): number {
  return Array.from(values).reduce((total, value) => total + value, 0);
}

function mean(values: ArrayLike<number>): number {
  return sum(values) / values.length;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] as number) + (sorted[sorted.length - 1 - middle] as number)) / 2;
}
