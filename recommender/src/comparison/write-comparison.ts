import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../data/atomic-file.js';
import { withFolderLock } from '../training/folder-lock.js';
import { REPORT_FILE } from '../training/run-folder.js';
import { comparisonPlots, type Plot } from './plots.js';
import { renderPlot } from './render-plot.js';
import { htmlReport, markdownReport, type ReportSettings } from './report.js';
import type { ComparisonSummary } from './summary.js';

const FIGURES_FILE = 'comparison.json';
const MARKDOWN_FILE = 'comparison.md';
const PLOTS_FOLDER = 'plots';
/** All that is written beside the runs. */
export const REPORT_NAMES: readonly string[] = [FIGURES_FILE, MARKDOWN_FILE, PLOTS_FOLDER, REPORT_FILE];

/**
 * Writes comparison.json, comparison.md, plots/*.svg and report.html.
 *
 * @returns the path of the report
 * @throws Error where another process writes to the folder
 */
export async function writeComparison(
  folder: string,
  summary: ComparisonSummary,
  settings: ReportSettings,
): Promise<string> {
  mkdirSync(join(folder, PLOTS_FOLDER), { recursive: true });
  return withFolderLock(folder, () => writeReport(folder, summary, settings));
}

/**
 * Writes report.html into the folder of a run.
 *
 * @returns the path of the report
 * @throws Error where another process writes to the folder
 */
export function writeRunReport(folder: string, summary: ComparisonSummary, settings: ReportSettings): Promise<string> {
  return withFolderLock(folder, async () => {
    const report = join(folder, REPORT_FILE);
    writeAtomically(report, [htmlReport(summary, await drawn(summary), settings)]);
    return report;
  });
}

async function writeReport(folder: string, summary: ComparisonSummary, settings: ReportSettings): Promise<string> {
  writeAtomically(join(folder, FIGURES_FILE), [`${JSON.stringify(summary, null, 1)}\n`]);
  writeAtomically(join(folder, MARKDOWN_FILE), [markdownReport(summary, settings)]);
  const plots = await drawn(summary);
  for (const { name, svg } of plots) writeAtomically(join(folder, PLOTS_FOLDER, `${name}.svg`), [svg]);
  const report = join(folder, REPORT_FILE);
  writeAtomically(report, [htmlReport(summary, plots, settings)]);
  return report;
}

function drawn(summary: ComparisonSummary): Promise<(Plot & { svg: string })[]> {
  return Promise.all(comparisonPlots(summary).map(async (plot) => ({ ...plot, svg: await renderPlot(plot.spec) })));
}
