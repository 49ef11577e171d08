import { type Plot, REFERENCE_COLOR } from './plots.js';
import type { ComparisonSummary } from './summary.js';
import {
  differenceTable,
  figuresTable,
  marginsTable,
  notes,
  settingsTable,
  stepsTable,
  type TextTable,
  timeTable,
  toMarkdown,
} from './table.js';
import { verdictOf } from './verdict.js';

export interface ReportSettings {
  /** As it was given on the command line. */
  command: string;
  version: string;
}

/** The tables of a comparison, in the order in which they are read. */
export function comparisonTables(summary: ComparisonSummary): TextTable[] {
  const tables = summary.parts.flatMap((part) => [
    figuresTable(summary, part),
    differenceTable(summary, part),
    stepsTable(summary, part),
  ]);
  return [...tables, marginsTable(summary), timeTable(summary), settingsTable(summary)].filter(
    ({ rows }) => rows.length > 0,
  );
}

/** The verdict first, then what it rests on. */
export function markdownReport(summary: ComparisonSummary, { command, version }: ReportSettings): string {
  return [
    `# ${titleOf(summary)}`,
    verdictOf(summary).sentences.join(' '),
    ...comparisonTables(summary).flatMap((table) => [`## ${table.title}`, toMarkdown(table)]),
    '## How to read this',
    ...notes(summary),
    ['```', summary.description, '```'].join('\n'),
    `fused-bear-recommender ${version}: \`${command}\``,
    '',
  ].join('\n\n');
}

/** One file without scripts, that needs nothing else: the plots are in it. The verdict, the plots, then the tables. */
export function htmlReport(
  summary: ComparisonSummary,
  plots: readonly (Plot & { svg: string })[],
  { command, version }: ReportSettings,
): string {
  const title = titleOf(summary);
  const figures = plots.map(
    ({ title, caption, svg }) =>
      `<figure>\n<h2>${escapeHtml(title)}</h2>\n<div>${labelled(svg, title)}</div>\n` +
      `<figcaption>${escapeHtml(caption)}</figcaption>\n</figure>`,
  );
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title><style>${CSS}</style></head>`,
    '<body>',
    `<h1>${title}</h1>`,
    `<p class="verdict">${verdictOf(summary).sentences.map(escapeHtml).join(' ')}</p>`,
    '<main>',
    ...figures,
    '</main>',
    ...comparisonTables(summary).map((table) => `<h2>${escapeHtml(table.title)}</h2>\n${htmlTable(table)}`),
    '<h2>How to read this</h2>',
    ...notes(summary).map((note) => `<p>${escapeHtml(note)}</p>`),
    `<pre>${escapeHtml(summary.description)}</pre>`,
    `<p>fused-bear-recommender ${escapeHtml(version)}: <code>${escapeHtml(command)}</code></p>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function titleOf({ variants }: ComparisonSummary): string {
  return variants.length === 1 ? 'A trained recommender' : 'Comparison of losses';
}

const CSS = [
  ':root{color-scheme:light dark;--text:#222;--faint:#555;--line:#ddd;--shade:#f5f5f5;--page:#fff}',
  '@media(prefers-color-scheme:dark){:root{--text:#ddd;--faint:#aaa;--line:#444;--shade:#2a2a2a;--page:#1b1b1b}',
  'svg{filter:brightness(1.35)}}',
  'body{font:15px/1.5 sans-serif;color:var(--text);background:var(--page);max-width:1120px;margin:2rem auto;padding:0 1rem}',
  'h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}.verdict{font-size:1.1rem;max-width:760px}',
  'main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr));gap:0 2rem}',
  'table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}',
  'th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}',
  'th:first-child,td:first-child{text-align:left}',
  'div{overflow-x:auto}figure{margin:0;min-width:0}figcaption{color:var(--faint);max-width:520px}',
  // The plots are made for white paper. Here they take the colours of the page, and at most its width.
  'svg{max-width:100%;height:auto}svg>rect{fill:none}svg text{fill:var(--text)}svg [stroke="#e6e6e6"]{stroke:var(--line)}',
  `svg [stroke="${REFERENCE_COLOR}"]{stroke:var(--text)}svg [fill="${REFERENCE_COLOR}"]{fill:var(--text)}`,
  'pre,code{font-size:13px;background:var(--shade)}pre{padding:.6rem;overflow-x:auto}p code{overflow-wrap:anywhere}',
].join('');

/** For who does not see it: a picture with a name, not hundreds of marks. */
function labelled(svg: string, title: string): string {
  return svg.replace('<svg', `<svg role="img" aria-label="${escapeHtml(title)}"`);
}

function htmlTable({ head, rows }: TextTable): string {
  const cells = (tag: 'th' | 'td', texts: readonly string[]) =>
    `<tr>${texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('')}</tr>`;
  return `<div><table>\n${[cells('th', head), ...rows.map((row) => cells('td', row))].join('\n')}\n</table></div>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
