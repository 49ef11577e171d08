import type { Plot } from './plots.js';
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

export function markdownReport(summary: ComparisonSummary, { command, version }: ReportSettings): string {
  return [
    '# Comparison of losses',
    ['```', summary.description, '```'].join('\n'),
    `fused-bear-recommender ${version}: \`${command}\``,
    ...notes(summary),
    ...comparisonTables(summary).flatMap((table) => [`## ${table.title}`, toMarkdown(table)]),
    '',
  ].join('\n\n');
}

/** One file without scripts, that needs nothing else: the plots are in it. */
export function htmlReport(
  summary: ComparisonSummary,
  plots: readonly (Plot & { svg: string })[],
  { command, version }: ReportSettings,
): string {
  const figures = plots.map(
    ({ title, caption, svg }) =>
      `<h2>${escapeHtml(title)}</h2>\n<figure>\n${labelled(svg, title)}\n<figcaption>${escapeHtml(caption)}</figcaption>\n</figure>`,
  );
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    `<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Comparison of losses</title><style>${CSS}</style></head>`,
    '<body>',
    '<h1>Comparison of losses</h1>',
    `<pre>${escapeHtml(summary.description)}</pre>`,
    `<p>fused-bear-recommender ${escapeHtml(version)}: <code>${escapeHtml(command)}</code></p>`,
    ...notes(summary).map((note) => `<p>${escapeHtml(note)}</p>`),
    ...comparisonTables(summary).map((table) => `<h2>${escapeHtml(table.title)}</h2>\n${htmlTable(table)}`),
    ...figures,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

const CSS = [
  ':root{color-scheme:light dark;--text:#222;--faint:#555;--line:#ddd;--shade:#f5f5f5;--page:#fff}',
  '@media(prefers-color-scheme:dark){:root{--text:#ddd;--faint:#aaa;--line:#444;--shade:#2a2a2a;--page:#1b1b1b}}',
  'body{font:15px/1.5 sans-serif;color:var(--text);background:var(--page);max-width:1080px;margin:2rem auto;padding:0 1rem}',
  'h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}',
  'table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}',
  'th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}',
  'th:first-child,td:first-child{text-align:left}',
  'div{overflow-x:auto}figure{margin:0;overflow-x:auto}figcaption{color:var(--faint);max-width:760px}',
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
