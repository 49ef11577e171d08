import type { TopLevelSpec } from 'vega-lite';

/** A Vega-Lite plot as SVG. Needs no browser and no network; vega and vega-lite are loaded when first used. */
export async function renderPlot(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
