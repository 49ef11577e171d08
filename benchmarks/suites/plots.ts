// The series of a suite as SVG: a line for each contender, both axes logarithmic.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderPlot } from '../../recommender/src/comparison/render-plot';
import type { SuiteResults } from './results';

type PlotSpec = Parameters<typeof renderPlot>[0];

interface Point {
  contender: string;
  x: number;
  milliseconds: number;
}

/** By the name of what the points differ in. */
function seriesOf({ cases }: SuiteResults): Map<string, Point[]> {
  const series = new Map<string, Point[]>();
  const add = (name: string, point: Point) => series.set(name, [...(series.get(name) ?? []), point]);
  for (const { name: caseName, series: own, measurements } of cases) {
    for (const { name, percentile10, x } of measurements) {
      if (own !== undefined) add(own.name, { contender: name, x: own.x, milliseconds: percentile10 });
      // The contenders of one case: a line for the case.
      else if (x !== undefined) add('B', { contender: caseName, x, milliseconds: percentile10 });
    }
  }
  return series;
}

function specOf(title: string, axis: string, values: readonly Point[]): PlotSpec {
  const scale = { type: 'log', nice: false, padding: 12 } as const;
  return {
    title,
    width: 420,
    height: 280,
    data: { values: [...values] },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: axis, scale, axis: { values: values.map(({ x }) => x) } },
      y: { field: 'milliseconds', type: 'quantitative', title: 'ms, 10th percentile', scale },
      color: { field: 'contender', type: 'nominal', title: null, legend: { orient: 'bottom', columns: 1 } },
    },
  };
}

/** The names of the files. */
export async function writePlots(results: SuiteResults, folder: string): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const files: string[] = [];
  for (const [axis, points] of seriesOf(results)) {
    const file = `${results.suite}-by-${axis.toLowerCase().replace(/\W/g, '')}.svg`;
    const title = `${results.suite}: time by ${axis}, ${results.machine.processor}`;
    writeFileSync(join(folder, file), await renderPlot(specOf(title, axis, points)));
    files.push(file);
  }
  return files;
}
