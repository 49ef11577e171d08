import type { Interval } from './bootstrap.js';
import { type ComparisonSummary, type Difference, type Figures, type Part, REFERENCE } from './summary.js';

/** What a comparison, or one run, comes to. */
export interface Verdict {
  /** Whether a baseline ranks as well as the model, or better. */
  countingWins: boolean;
  /** One on the ranking, one on the search. */
  sentences: [string, string];
}

/** Of the test rows, or of the validation rows where those were not looked at. Only the validation rows choose. */
export function verdictOf(summary: ComparisonSummary): Verdict {
  const { variants, baselines, parts, cutoffs, k, rows } = summary;
  const part = parts.at(-1) as Part;
  const ndcgOn =
    (of: Part) =>
    ({ figures }: Ranker): number =>
      figures[of]?.ndcg[cutoffs.indexOf(k)]?.estimate ?? 0;
  const ndcg = ndcgOn(part);
  const model = best(variants, ndcgOn('validation'));
  const baseline = best(baselines, ndcg);
  const countingWins = ndcg(baseline) >= ndcg(model);
  const name = variants.length === 1 ? 'the model' : `"${model.name}", the best on the validation rows,`;
  const figures =
    `NDCG@${k} ${ndcg(model).toFixed(4)} against ${ndcg(baseline).toFixed(4)} of "${baseline.name}", the best baseline, ` +
    `on ${rows[part]} ${part} rows.`;
  const ranking = countingWins
    ? `Counting ranks as well as ${name.replace(/,$/, '')}, or better: ${figures}`
    : `${name.replace(/^t/, 'T')} ranks better than counting: ${figures}`;
  return { countingWins, sentences: [ranking, searchSentence(summary, part, model)] };
}

interface Ranker {
  name: string;
  figures: Partial<Record<Part, Figures>>;
}

function best<T>(candidates: readonly T[], score: (candidate: T) => number): T {
  return candidates.reduce((one, other) => (score(other) > score(one) ? other : one));
}

function searchSentence({ variants, chosen, beamWidth, k }: ComparisonSummary, part: Part, model: Ranker): string {
  const reference = variants.find(({ name }) => name === REFERENCE);
  if (!reference || variants.length === 1) return `Beam search of width ${beamWidth} ${losses(model, part)}.`;
  const difference = variants.find(({ name }) => name === chosen)?.figures[part]?.difference;
  if (difference) return choiceSentence(chosen as string, difference, part, k);
  return (
    `The validation rows choose no other loss than ${REFERENCE}, with which beam search of width ${beamWidth} ` +
    `${losses(reference, part)}.`
  );
}

function choiceSentence(chosen: string, { pruningRate, ndcg }: Difference, part: Part, k: number): string {
  const percent = (value: number) => `${signed(100 * value, 0)} %`;
  return (
    `The validation rows choose "${chosen}" over ${REFERENCE}: on the ${part} rows the share of items that beam search loses ` +
    `changes by ${range(pruningRate, percent)}, and NDCG@${k} by ${range(ndcg, (value) => signed(value, 4))}.`
  );
}

function losses({ figures }: Ranker, part: Part): string {
  const { rate, pruned, eligible } = figures[part]?.pruning ?? { eligible: 0 };
  if (!rate || eligible === 0) return 'had no items to find';
  return `loses ${(100 * rate.estimate).toFixed(1)} % of the items that it should find (${pruned} of ${eligible})`;
}

function range({ estimate, low, high }: Interval, format: (value: number) => string): string {
  if (Number.isNaN(estimate)) return 'an unknown share';
  return `${format(estimate)} (95 % interval ${format(low)} to ${format(high)})`;
}

function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) < 0 ? text : `+${text.replace('-', '')}`;
}
