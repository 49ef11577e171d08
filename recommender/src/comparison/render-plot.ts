import type { TopLevelSpec } from 'vega-lite';

const STYLE = {
  background: 'white',
  font: 'sans-serif',
  padding: 12,
  view: { stroke: null },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: '#e6e6e6',
    domainColor: '#888888',
    tickColor: '#888888',
    labelLimit: 260,
  },
  legend: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', symbolSize: 80, labelLimit: 260 },
  header: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal' },
} as const;

/** A Vega-Lite plot as SVG. Needs no browser and no network; vega and vega-lite are loaded when first used. */
export async function renderPlot(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const view = new View(parse(compile({ config: STYLE, ...spec }).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
