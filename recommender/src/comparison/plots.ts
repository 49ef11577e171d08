import type { TopLevelSpec } from 'vega-lite';
import { type ComparisonSummary, type Part, REFERENCE, type VariantSummary } from './summary.js';
import { MARGIN_DECISIONS } from './table.js';

/** A figure of the report: a Vega-Lite specification with what it shows in words. */
export interface Plot {
  /** Of its file, without extension. */
  name: string;
  title: string;
  caption: string;
  spec: TopLevelSpec;
}

/** Told apart by the colour-blind, too; the reference is black. */
const COLORS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#8c6d31',
  '#7f7fbf',
  '#117733',
  '#882255',
];
export const REFERENCE_COLOR = '#222222';
const SFT_COLOR = '#9a9a9a';

/** Beside the names; the whole fits two to a row on a wide page, and a telephone. */
const PLOT_WIDTH = 250;

/** All plots of a comparison. Those that need the reference are left out where it was not run. */
export function comparisonPlots(summary: ComparisonSummary): Plot[] {
  const part = summary.parts.at(-1) as Part;
  const hasReference = summary.variants.some(({ name }) => name === REFERENCE) && summary.variants.length > 1;
  return [
    rankingPlot(summary, part),
    ...(hasReference ? [differencePlot(summary, part)] : []),
    stepsPlot(summary, part),
    ndcgPlot(summary),
    lossPlot(summary),
    ...(hasReference ? [marginPlot(summary)] : []),
    timePlot(summary),
  ];
}

/** Baselines and models on one axis, with the intervals over users. */
function rankingPlot({ baselines, variants, cutoffs, k, rows }: ComparisonSummary, part: Part): Plot {
  const kinds = ['counting', 'model'];
  const values = [
    ...baselines.map((ranker) => ({ ...ranker, kind: 'counting' })),
    ...variants.map((ranker) => ({ ...ranker, kind: 'model' })),
  ].map(({ name, kind, figures }) => ({ name, kind, ...figures[part]?.ndcg[cutoffs.indexOf(k)] }));
  const y = { field: 'name', type: 'nominal', sort: values.map(({ name }) => name), title: null, axis: { grid: true } };
  const x = { type: 'quantitative', title: `NDCG@${k}, ${part} rows`, axis: { tickCount: 5 } };
  const color = {
    field: 'kind',
    type: 'nominal',
    title: null,
    scale: { domain: kinds, range: [SFT_COLOR, COLORS[0]] },
    legend: { orient: 'bottom' },
  };
  return {
    name: 'ranking',
    title: `Ranking of the ${part} rows`,
    caption: `NDCG@${k} of the ${rows[part]} ${part} rows, and the 95 % interval over users. Counting needs no training.`,
    spec: {
      width: PLOT_WIDTH,
      height: { step: 24 },
      data: { values },
      encoding: { y, color },
      layer: [
        { mark: { type: 'rule', strokeWidth: 2 }, encoding: { x: { field: 'low', ...x }, x2: { field: 'high' } } },
        {
          mark: { type: 'point', filled: true, size: 60, opacity: 1 },
          encoding: { x: { field: 'estimate', ...x } },
        },
      ],
    } as TopLevelSpec,
  };
}

/** The variants against the reference: intervals over users, and a dot for each seed. */
function differencePlot({ variants, k, rows }: ComparisonSummary, part: Part): Plot {
  const compared = variants.filter(({ figures }) => figures[part]?.difference);
  const names = compared.map(({ name }) => name);
  const panel = (
    figure: 'ndcg' | 'pruningRate',
    seeds: 'ndcgBySeed' | 'pruningRateBySeed',
    title: string,
    format: string,
  ) => {
    const y = { field: 'name', type: 'nominal', sort: names, title: null, axis: { grid: true } } as const;
    const x = {
      type: 'quantitative',
      title,
      axis: { format, tickCount: 4, labelFlush: false },
      scale: { zero: false, nice: false, padding: 10 },
    } as const;
    const values = compared.map(({ name, figures }) => ({ name, ...figures[part]?.difference?.[figure] }));
    const seedValues = compared.flatMap(({ name, figures }) =>
      (figures[part]?.difference?.[seeds] ?? []).map((value) => ({ name, value })),
    );
    return {
      width: PLOT_WIDTH,
      height: { step: 24 },
      layer: [
        {
          data: { values: [{}] },
          mark: { type: 'rule', color: '#888888', strokeDash: [4, 3] },
          encoding: { x: { datum: 0, type: 'quantitative' } },
        },
        {
          data: { values: seedValues },
          mark: { type: 'point', filled: true, size: 22, color: '#9a9a9a', opacity: 0.9, yOffset: 6 },
          encoding: { x: { field: 'value', ...x }, y },
        },
        {
          data: { values },
          mark: { type: 'rule', strokeWidth: 2, color: COLORS[0] as string },
          encoding: { x: { field: 'low', ...x }, x2: { field: 'high' }, y },
        },
        {
          data: { values },
          mark: { type: 'point', filled: true, size: 60, color: COLORS[0] as string, opacity: 1 },
          encoding: { x: { field: 'estimate', ...x }, y },
        },
      ],
    };
  };
  return {
    name: 'differences',
    title: `Against ${REFERENCE}, ${part} rows`,
    caption:
      `Blue: the ${rows[part]} ${part} rows with all seeds, and the 95 % interval over users. Grey: each seed by itself. Left of the ` +
      'dashed line above: fewer items lost than without a penalty. Right of it below: better ranking.',
    spec: {
      spacing: 30,
      vconcat: [
        panel('pruningRate', 'pruningRateBySeed', `pruning rate relative to that of ${REFERENCE}`, '+.0%'),
        panel('ndcg', 'ndcgBySeed', `NDCG@${k} less that of ${REFERENCE}`, '+.3f'),
      ],
    } as TopLevelSpec,
  };
}

function ndcgPlot(summary: ComparisonSummary): Plot {
  const { k, seeds } = summary;
  return {
    name: 'ndcg-by-epoch',
    title: 'Ranking of the validation rows during training',
    caption: `NDCG@${k} of beam search after each epoch: ${meanOf(seeds)}.`,
    spec: {
      ...epochPanel(summary, 'validationNdcg', `NDCG@${k}, validation rows`, 300),
    } as TopLevelSpec,
  };
}

/** The loss itself is no measure: a penalty without a lower bound falls while nothing gets better. */
function lossPlot(summary: ComparisonSummary): Plot {
  return {
    name: 'cross-entropy-by-epoch',
    title: 'Cross-entropy and pruned rate during training',
    caption:
      'Of the training rows, with dropout. The cross-entropy is without the penalty. The pruned rate is the share of decisions ' +
      `at which the beam would drop the right token, after the right prefix. Lines: ${meanOf(summary.seeds)}.`,
    spec: {
      vconcat: [
        epochPanel(summary, 'crossEntropy', 'cross-entropy', 160),
        epochPanel(summary, 'prunedRate', 'pruned rate', 160),
      ],
    } as TopLevelSpec,
  };
}

function meanOf(seeds: readonly number[]): string {
  return seeds.length === 1 ? 'one seed' : `the mean of ${seeds.length} seeds, and from the lowest to the highest`;
}

function epochPanel(
  { variants }: ComparisonSummary,
  figure: 'validationNdcg' | 'crossEntropy' | 'prunedRate',
  title: string,
  height: number,
) {
  const values = variants.flatMap(({ name, training }) =>
    training.map(({ epoch, [figure]: spread }) => ({ name, epoch, ...spread })),
  );
  return {
    width: 400,
    height,
    data: { values },
    encoding: {
      x: {
        field: 'epoch',
        type: 'quantitative',
        title: 'epoch',
        axis: { tickMinStep: 1, format: 'd' },
        scale: { zero: false, nice: false, padding: 12 },
      },
      color: { ...colorOf(variants), legend: { symbolOpacity: 1, orient: 'bottom', columns: 2 } },
    },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 1, opacity: 0.5 },
        encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
      },
      {
        mark: { type: 'line', point: { size: 30 }, strokeWidth: 1.6 },
        encoding: { y: { field: 'mean', type: 'quantitative', title, scale: { zero: false } } },
      },
    ],
  };
}

/** Decisions told apart; the last colour is for all later ones. */
const DECISION_COLORS = ['#9a9a9a', '#0072b2', '#56b4e9', '#e69f00', '#d55e00'];

function stepsPlot({ variants, beamWidth }: ComparisonSummary, part: Part): Plot {
  const last = DECISION_COLORS.length - 1;
  const nameOf = (decision: number) => (decision < last ? String(decision) : `${last} and later`);
  const values = variants.flatMap(({ name, steps }) => {
    const eligible = steps[part]?.[0]?.present ?? 0;
    return (steps[part] ?? [])
      .filter(({ pruned }) => pruned > 0)
      .map(({ step, pruned }) => ({ name, step, decision: nameOf(step), share: pruned / eligible }));
  });
  const totals = variants.map(({ name, figures }) => {
    const share = figures[part]?.pruning?.rate.estimate ?? 0;
    return { name, share, label: `${(100 * share).toFixed(1)} %` };
  });
  const y = namesOf(variants);
  return {
    name: 'pruned-by-decision',
    title: `Which decision loses the items, ${part} rows`,
    caption:
      `Of the rows whose item is among the exact ${beamWidth} best, the share that beam search drops at each decision. A decision is a ` +
      'token of the title where the catalogue leaves a choice, counted from 0. All of a bar is the pruning rate.',
    spec: {
      width: PLOT_WIDTH - 30,
      height: { step: 22 },
      layer: [
        {
          data: { values },
          mark: { type: 'bar', size: 13 },
          encoding: {
            y,
            x: {
              field: 'share',
              type: 'quantitative',
              title: 'share of the rows',
              stack: 'zero',
              axis: { format: '.0%', tickCount: 6 },
            },
            color: {
              field: 'decision',
              type: 'nominal',
              title: 'lost at decision',
              scale: { domain: DECISION_COLORS.map((_, decision) => nameOf(decision)), range: DECISION_COLORS },
              // At the right it would lie on the labels of the longest bars.
              legend: { orient: 'bottom' },
            },
            order: { field: 'step' },
          },
        },
        {
          data: { values: totals },
          mark: { type: 'text', align: 'left', dx: 5, fontSize: 11, color: '#444444' },
          encoding: { y, x: { field: 'share', type: 'quantitative' }, text: { field: 'label' } },
        },
      ],
    },
  };
}

function marginPlot({ variants, chosen, beamWidth }: ComparisonSummary): Plot {
  const reference = variants.find(({ name }) => name === REFERENCE) as VariantSummary;
  const other =
    variants.find(({ name }) => name === chosen) ??
    variants.find(({ name }) => name !== REFERENCE && name !== 'sft') ??
    (variants.find(({ name }) => name !== REFERENCE) as VariantSummary);
  const curves = [
    { curve: 'before training', histogram: reference.marginsBefore },
    { curve: `${REFERENCE}, trained`, histogram: reference.marginsAfter },
    { curve: `${other.name}, trained`, histogram: other.marginsAfter },
  ];
  const values = curves.flatMap(({ curve, histogram: { counts, decisions, from, binWidth } }) =>
    counts.slice(0, MARGIN_DECISIONS).flatMap((bins, decision) =>
      bins.map((count, bin) => ({
        curve,
        decision: `decision ${decision}`,
        margin: from + (bin + 0.5) * binWidth,
        share: count / Math.max(1, decisions[decision] as number),
      })),
    ),
  );
  return {
    name: 'margins',
    title: 'Pruning margins, validation rows',
    caption:
      `How far the right token's logit lies below the ${beamWidth}-th best of its decision, by the right prefix; right of the dashed line it ` +
      `would be pruned. Only decisions with more than ${beamWidth} choices. The outer bins hold all that lies beyond.`,
    spec: {
      data: { values },
      facet: { row: { field: 'decision', type: 'nominal', title: null } },
      spec: {
        width: 380,
        height: 110,
        layer: [
          {
            mark: { type: 'line', interpolate: 'step', strokeWidth: 1.5 },
            encoding: {
              x: { field: 'margin', type: 'quantitative', title: 'pruning margin, in logits' },
              y: { field: 'share', type: 'quantitative', title: 'share of the decisions', axis: { format: '.0%' } },
              color: {
                field: 'curve',
                type: 'nominal',
                title: null,
                scale: {
                  domain: curves.map(({ curve }) => curve),
                  range: ['#b9b9b9', REFERENCE_COLOR, COLORS[0] as string],
                },
                legend: { orient: 'bottom', symbolType: 'stroke', columns: 2 },
              },
            },
          },
          {
            mark: { type: 'rule', color: '#888888', strokeDash: [4, 3] },
            encoding: { x: { datum: 0, type: 'quantitative' } },
          },
        ],
      },
    },
  };
}

function timePlot({ variants }: ComparisonSummary): Plot {
  const order = ['loss', 'the rest of the step'];
  const values = variants.flatMap(({ name, time }) => [
    { name, what: 'loss', seconds: time.loss / 1000 },
    { name, what: 'the rest of the step', seconds: time.rest / 1000 },
  ]);
  const shares = variants.map(({ name, time: { loss, rest } }) => ({
    name,
    seconds: (loss + rest) / 1000,
    label: `${((100 * loss) / (loss + rest)).toFixed(1)} %`,
  }));
  const y = namesOf(variants);
  return {
    name: 'time-of-the-loss',
    title: 'Time of the loss in the training step',
    caption: 'The median epoch, and how much of it is spent in fusedBearLoss.',
    spec: {
      width: PLOT_WIDTH - 30,
      height: { step: 22 },
      layer: [
        {
          data: { values },
          mark: { type: 'bar', size: 13 },
          encoding: {
            y,
            x: { field: 'seconds', type: 'quantitative', title: 'seconds of an epoch', stack: 'zero' },
            color: {
              field: 'what',
              type: 'nominal',
              title: null,
              scale: { domain: order, range: [COLORS[1] as string, '#c4ccd4'] },
              legend: { orient: 'bottom' },
            },
            order: { field: 'what', sort: 'ascending' },
          },
        },
        {
          data: { values: shares },
          mark: { type: 'text', align: 'left', dx: 5, fontSize: 11, color: '#444444' },
          encoding: { y, x: { field: 'seconds', type: 'quantitative' }, text: { field: 'label' } },
        },
      ],
    },
  };
}

function namesOf(variants: readonly VariantSummary[]) {
  return { field: 'name', type: 'nominal', sort: variants.map(({ name }) => name), title: null } as const;
}

function colorOf(variants: readonly VariantSummary[]) {
  let next = 0;
  const colorByName: Readonly<Record<string, string>> = { [REFERENCE]: REFERENCE_COLOR, sft: SFT_COLOR };
  const domain = variants.map(({ name }) => name);
  const range = domain.map((name) => colorByName[name] ?? (COLORS[next++ % COLORS.length] as string));
  return { field: 'name', type: 'nominal', title: null, sort: domain, scale: { domain, range } } as const;
}
