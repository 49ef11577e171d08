import { type MarginHistogram, marginQuantile } from '../training/margins.js';
import { flagOf } from '../training/run-options.js';
import type { Interval } from './bootstrap.js';
import {
  type ComparisonSummary,
  type ControlSummary,
  type Difference,
  type Figures,
  type Part,
  REFERENCE,
} from './summary.js';

/** A table as text, for the terminal, Markdown and HTML. The first column holds names, the others figures. */
export interface TextTable {
  title: string;
  head: string[];
  rows: string[][];
}

const NONE = '-';

/** Ranking and pruning on the rows of one part: figures, with their intervals at the main cutoff. */
export function figuresTable(
  { baselines, variants, control, cutoffs, k, rows }: ComparisonSummary,
  part: Part,
): TextTable {
  const line = (name: string, figures: Figures | undefined) => [
    name,
    ...cutoffs.map((cutoff, index) => figureCell(figures?.hitRatio[index], cutoff === k)),
    ...cutoffs.map((cutoff, index) => figureCell(figures?.ndcg[index], cutoff === k)),
    figures?.exactNdcg?.estimate.toFixed(4) ?? NONE,
    pruningCell(figures?.pruning),
  ];
  return {
    title: `${capitalized(part)}, ${rows[part]} rows`,
    head: [
      '',
      ...cutoffs.map((cutoff) => `HR@${cutoff}`),
      ...cutoffs.map((cutoff) => `NDCG@${cutoff}`),
      `exact NDCG@${k}`,
      'pruning rate',
    ],
    rows: [...baselines, ...variants, ...(control ? [control] : [])].map(({ name, figures }) =>
      line(name, figures[part]),
    ),
  };
}

/**
 * Each variant against the reference, with the range of the seeds where there are several; empty without the reference. With
 * a control, that too, and its contender against it.
 */
export function differenceTable({ variants, control, k, rows, seeds }: ComparisonSummary, part: Part): TextTable {
  const range = (values: readonly number[], format: Format, digits: number) =>
    seeds.length > 1 ? [spread(values, (value) => format(value, digits))] : [];
  const rangeHead = seeds.length > 1 ? ['lowest to highest seed'] : [];
  const line = ({ ndcg, ndcgBySeed, pruningRate, pruningRateBySeed }: Difference) => [
    interval(ndcg, 4, signed),
    ...range(ndcgBySeed, signed, 4),
    interval(pruningRate, 1, signedPercent),
    ...range(pruningRateBySeed, signedPercent, 1),
  ];
  return {
    title: `${capitalized(part)}, ${rows[part]} rows, against ${REFERENCE}`,
    head: ['', `NDCG@${k}`, ...rangeHead, 'pruning rate', ...rangeHead],
    rows: [
      ...[...variants, ...(control ? [control] : [])].map(({ name, figures }) => ({
        name,
        of: figures[part]?.difference,
      })),
      ...(control
        ? [{ name: `${control.contender}, against the control`, of: control.contenderDifference[part] }]
        : []),
    ].flatMap(({ name, of }) => (of ? [[name, ...line(of)]] : [])),
  };
}

/** Which decisions lose the items that are among the exact best, of those that the beam still held. */
export function stepsTable({ variants }: ComparisonSummary, part: Part): TextTable {
  const shown = Math.max(0, ...variants.map(({ steps }) => lastPruningStep(steps[part] ?? []) + 1));
  const cell = ({ pruned, present, share }: { pruned: number; present: number; share: number }) =>
    `${percent(share, 1)} (${pruned} of ${present})`;
  return {
    title: `${capitalized(part)}: lost at each decision, counted from 0`,
    head: ['', ...Array.from({ length: shown }, (_, step) => String(step))],
    rows: variants.map(({ name, steps }) => [
      name,
      ...Array.from({ length: shown }, (_, step) => {
        const pruning = steps[part]?.[step];
        return pruning ? cell(pruning) : NONE;
      }),
    ]),
  };
}

/** Decisions whose margins are told: the first ones, where beam search loses the items. */
export const MARGIN_DECISIONS = 3;

/** What training makes of the margins by the right prefix: how many prune, and how wide they spread. */
export function marginsTable({ variants, beamWidth, rows }: ComparisonSummary): TextTable {
  const decisions = Array.from({ length: MARGIN_DECISIONS }, (_, decision) => decision);
  const cell = (histogram: MarginHistogram, decision: number) => {
    const { pruned, decisions: all } = histogram;
    if (!all[decision]) return NONE;
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => marginQuantile(histogram, decision, share).toFixed(1));
    return `${percent((pruned[decision] ?? 0) / all[decision], 1)}; ${middle} (${low} to ${high})`;
  };
  const line = (name: string, histogram: MarginHistogram) => [
    name,
    ...decisions.map((decision) => cell(histogram, decision)),
  ];
  const [first] = variants;
  return {
    title:
      `Validation, ${rows.validation} rows: margins by the right prefix, where there are more than ${beamWidth} choices: share ` +
      'above 0, median and quartiles',
    head: ['', ...decisions.map((decision) => `decision ${decision}`)],
    rows: first
      ? [
          line('before training', first.marginsBefore),
          ...variants.map(({ name, marginsAfter }) => line(name, marginsAfter)),
        ]
      : [],
  };
}

/** Time of training: the median epoch. */
export function timeTable({ variants }: ComparisonSummary): TextTable {
  return {
    title: 'Time of the median epoch',
    head: ['', 'seconds', 'of it the loss'],
    rows: variants.map(({ name, time: { loss, rest } }) => [
      name,
      ((loss + rest) / 1000).toFixed(1),
      percent(loss / (loss + rest), 1),
    ]),
  };
}

/** Options that a variant sets or that tell its runs apart: not shared. */
const PENALTY_OPTIONS = ['penalty', 'lambda', 'xi', 'margin', 'thresholdGradient'];
const APAO_OPTIONS = ['beta', 'eta'];
const OWN_OPTIONS = ['loss', ...PENALTY_OPTIONS, ...APAO_OPTIONS, 'lossBeamWidth', 'seed'];

/** What all runs share, by the names of the command line's flags. */
export function settingsTable({ options, variants }: ComparisonSummary): TextTable {
  const isOneRun = variants.length === 1;
  const own = [...(options.loss === 'bear' ? [] : PENALTY_OPTIONS), ...(options.loss === 'apao' ? [] : APAO_OPTIONS)];
  const shared = Object.entries(options).filter(([name]) => !(isOneRun ? own : OWN_OPTIONS).includes(name));
  return {
    title: isOneRun ? 'Settings' : 'Settings of all runs',
    head: ['', ''],
    rows: shared.map(([name, value]) => [flagOf(name), String(value)]),
  };
}

/** What the intervals mean and what was chosen. */
export function notes(summary: ComparisonSummary): string[] {
  const { seeds, chosen, parts, beamWidth, rows, options, variants, control } = summary;
  const choice =
    chosen === undefined
      ? `Chosen on the validation rows: none. No variant has a lower pruning rate there than ${REFERENCE} at no lower NDCG.`
      : `Chosen on the validation rows: ${chosen}. It has the lowest pruning rate there, of the variants whose NDCG is not ` +
        `below that of ${REFERENCE}.`;
  const isSampled = parts.some((part) => rows[part] > options.exactRows);
  return [
    `Beam of ${beamWidth}; seeds ${seeds.join(', ')}. Pruning rate: of the rows whose item is among the exact ${beamWidth} best, the ` +
      'share that the beam does not return.' +
      (isSampled ? ` Exact rankings are those of a random sample of ${options.exactRows} rows (--exact-rows).` : ''),
    'Brackets: 95 % intervals, by resampling the users 2000 times. The rows of all seeds are pooled, and those of a user are ' +
      'drawn together over all seeds. Differences take the same users for both. What the seed moves is not in the interval.',
    ...(variants.length > 1 ? [choice] : []),
    ...(control ? [controlNote(control)] : []),
    ...(parts.includes('test') ? [] : ['The test rows were not looked at.']),
  ];
}

function controlNote({ contender, temperatures, entropies }: ControlSummary): string {
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(', ');
  return (
    `Control: the runs of ${REFERENCE}, searched at the temperatures ${list(temperatures)} (by seed). There the decisions of the ` +
    `validation rows have the mean entropy of ${contender}: ${list(entropies)} nats.`
  );
}

export function toMarkdown({ head, rows }: TextTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function lastPruningStep(steps: readonly { pruned: number }[]): number {
  return steps.reduce((last, { pruned }, step) => (pruned > 0 ? step : last), -1);
}

function figureCell(figure: Interval | undefined, hasInterval: boolean): string {
  return hasInterval ? interval(figure, 4) : (figure?.estimate.toFixed(4) ?? NONE);
}

function pruningCell(pruning: Figures['pruning']): string {
  if (!pruning) return NONE;
  const { rate, pruned, eligible } = pruning;
  return `${interval(rate, 1, percent)} (${pruned} of ${eligible})`;
}

type Format = (value: number, digits: number) => string;

function interval(
  figure: Interval | undefined,
  digits: number,
  format: Format = (value, places) => value.toFixed(places),
): string {
  if (!figure || Number.isNaN(figure.estimate)) return NONE;
  const { estimate, low, high } = figure;
  return `${format(estimate, digits)} [${format(low, digits)}, ${format(high, digits)}]`;
}

function spread(values: readonly number[], format: (value: number) => string): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return Number.isFinite(low) && Number.isFinite(high) ? `${format(low)} to ${format(high)}` : NONE;
}

function percent(value: number, digits: number): string {
  return `${(100 * value).toFixed(digits)} %`;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(digits)}`;
}

function signedPercent(value: number, digits: number): string {
  return `${signed(100 * value, digits)} %`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
