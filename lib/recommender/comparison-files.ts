import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from './atomic-file.js';
import { comparisonPlots } from './comparison-plots.js';
import { htmlReport, markdownReport, type ReportSettings } from './comparison-report.js';
import type { ComparisonSummary } from './comparison-summary.js';
import { renderPlot } from './render-plot.js';

/**
 * Writes comparison.json, comparison.md, plots/*.svg and report.html.
 *
 * @returns the path of the report
 */
export async function writeComparison(
  folder: string,
  summary: ComparisonSummary,
  settings: ReportSettings,
): Promise<string> {
  mkdirSync(join(folder, 'plots'), { recursive: true });
  writeAtomically(join(folder, 'comparison.json'), [`${JSON.stringify(summary, null, 1)}\n`]);
  writeAtomically(join(folder, 'comparison.md'), [markdownReport(summary, settings)]);
  const plots = await Promise.all(
    comparisonPlots(summary).map(async (plot) => ({ ...plot, svg: await renderPlot(plot.spec) })),
  );
  for (const { name, svg } of plots) writeAtomically(join(folder, 'plots', `${name}.svg`), [svg]);
  const report = join(folder, 'report.html');
  writeAtomically(report, [htmlReport(summary, plots, settings)]);
  return report;
}
