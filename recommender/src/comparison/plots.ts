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
const REFERENCE_COLOR = '#222222';
const SFT_COLOR = '#9a9a9a';

/** All plots of a comparison. Those that need the reference are left out where it was not run. */
export function comparisonPlots(summary: ComparisonSummary): Plot[] {
  const part = summary.parts.at(-1) as Part;
  const hasReference = summary.variants.some(({ name }) => name === REFERENCE) && summary.variants.length > 1;
  return [
    ...(hasReference ? [differencePlot(summary, part)] : []),
    trainingPlot(summary),
    stepsPlot(summary, part),
    ...(hasReference ? [marginPlot(summary)] : []),
    timePlot(summary),
  ];
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
    showNames: boolean,
  ) => {
    const y = {
      field: 'name',
      type: 'nominal',
      sort: names,
      title: null,
      axis: showNames ? { grid: true } : { labels: false, ticks: false, grid: true },
    } as const;
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
      width: 280,
      height: { step: 26 },
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
      'dashed line on the left panel: fewer items lost than without a penalty. Right of it on the right panel: better ranking.',
    spec: {
      spacing: 30,
      hconcat: [
        panel('pruningRate', 'pruningRateBySeed', `pruning rate relative to that of ${REFERENCE}`, '+.0%', true),
        panel('ndcg', 'ndcgBySeed', `NDCG@${k} less that of ${REFERENCE}`, '+.3f', false),
      ],
    } as TopLevelSpec,
  };
}

function trainingPlot({ variants, k, seeds }: ComparisonSummary): Plot {
  const values = variants.flatMap(({ name, training }) => training.map((point) => ({ name, ...point })));
  return {
    name: 'ndcg-by-epoch',
    title: 'Ranking on the validation rows during training',
    caption: `NDCG@${k} of beam search after each epoch: the mean of ${seeds.length} seed(s), and from the lowest to the highest of them.`,
    spec: {
      width: 460,
      height: 300,
      data: { values },
      encoding: {
        x: {
          field: 'epoch',
          type: 'quantitative',
          title: 'epoch',
          axis: { tickMinStep: 1, format: 'd' },
          scale: { zero: false, nice: false, padding: 12 },
        },
        color: { ...colorOf(variants), legend: { symbolOpacity: 1 } },
      },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 1, opacity: 0.5 },
          encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
        },
        {
          mark: { type: 'line', point: { size: 30 }, strokeWidth: 1.6 },
          encoding: {
            y: { field: 'mean', type: 'quantitative', title: `NDCG@${k}, validation rows`, scale: { zero: false } },
          },
        },
      ],
    },
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
      width: 420,
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
      facet: { column: { field: 'decision', type: 'nominal', title: null } },
      spec: {
        width: 230,
        height: 220,
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
                legend: { orient: 'bottom', symbolType: 'stroke', labelLimit: 400 },
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
      width: 420,
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
