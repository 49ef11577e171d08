import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { comparisonPlots } from '../../src/comparison/plots';
import { comparisonTables } from '../../src/comparison/report';
import { summarize } from '../../src/comparison/summary';
import { differenceTable, figuresTable, notes, toMarkdown } from '../../src/comparison/table';
import { verdictOf } from '../../src/comparison/verdict';
import { writeComparison, writeRunReport } from '../../src/comparison/write-comparison';
import { DEFAULT_RUN_OPTIONS } from '../../src/training/run-options';
import { madeUpComparison } from '../support/comparison';
import { withFolder } from '../support/recommender';

// Jest rewrites all of vega as CommonJS when it first sees it.
jest.setTimeout(3 * 60_000);

const summary = summarize(madeUpComparison());
const SETTINGS = { command: 'fused-bear-recommender compare --out "a<b"', version: '1.2.3' };

function table(title: RegExp) {
  const found = comparisonTables(summary).find((each) => title.test(each.title));
  if (!found) throw new Error(`no table ${title}`);
  return found;
}

describe('the tables of a comparison', () => {
  it('have the figures with their intervals, and both counts of the pruning rate', () => {
    const { head, rows } = table(/^Validation, 4 rows$/);
    expect(head).toEqual(['', 'HR@3', 'NDCG@3', 'exact NDCG@3', 'pruning rate']);
    expect(rows.map(([name]) => name)).toEqual(['popularity', 'msl', 'hinge,lambda=1']);
    expect(rows[0]?.slice(3)).toEqual(['-', '-']);
    expect(rows[2]?.[1]).toBe('0.3750 [0.0000, 0.7500]');
    expect(rows[2]?.[4]).toMatch(/^50\.0 % \[[\d.]+ %, [\d.]+ %\] \(3 of 6\)$/);
  });

  it('have signed differences to MSL, and what the seeds move', () => {
    const { rows } = table(/^Validation, 4 rows, against msl$/);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.[1]).toMatch(/^\+0\.0789 \[/);
    expect(rows[0]?.[2]).toBe('+0.0000 to +0.1577');
    expect(rows[0]?.[3]).toMatch(/^-25\.0 % \[/);
    expect(rows[0]?.[4]).toBe('-50.0 % to +0.0 %');
  });

  it('have no relative rate where the reference loses nothing', () => {
    const comparison = madeUpComparison();
    for (const { name, results } of comparison.variants) {
      if (name === 'msl') for (const { validation } of results) validation.beamRanks = validation.exactRanks;
    }
    const found = comparisonTables(summarize(comparison)).find(({ title }) => /^Validation.*against msl/.test(title));
    expect(found?.rows[0]?.slice(3)).toEqual(['-', '-']);
  });

  it('have no range of the seeds where there is one', () => {
    const comparison = madeUpComparison();
    const single = {
      ...comparison,
      seeds: [1],
      variants: comparison.variants.map(({ name, results }) => ({ name, results: results.slice(0, 1) })),
    };
    const found = comparisonTables(summarize(single)).find(({ title }) => /against msl/.test(title));
    expect(found?.head).toEqual(['', 'NDCG@3', 'pruning rate']);
    expect(found?.rows[0]).toHaveLength(3);
  });

  it('tell the decisions apart, and the loss from the rest of the step', () => {
    expect(table(/^Validation: lost at each decision/).rows[0]).toEqual(['msl', '33.3 % (2 of 6)', '50.0 % (2 of 4)']);
    expect(table(/^Time/).rows[0]).toEqual(['msl', '1.0', '5.0 %']);
  });

  it('tell how many margins prune by the right prefix, and how wide they spread', () => {
    // Two bins from -1 to 1, with 2 and 6 margins before training, and 6 and 2 after it.
    const [before, msl] = table(/margins/).rows;
    expect(before).toEqual(['before training', '75.0 %; 0.3 (0.0 to 0.7)', '-', '-']);
    expect(msl).toEqual(['msl', '25.0 %; -0.3 (-0.7 to 0.0)', '-', '-']);
  });

  it('have the settings that all runs share, by their flags', () => {
    const settings = Object.fromEntries(table(/^Settings/).rows);
    const rate = String(DEFAULT_RUN_OPTIONS.learningRate);
    expect(settings).toMatchObject({ '--beam-width': '3', '--split': 'user', '--learning-rate': rate });
    for (const own of ['--seed', '--lambda', '--loss']) expect(settings).not.toHaveProperty(own);
  });

  it('say what was chosen, and whether the test rows were looked at', () => {
    expect(notes(summary).join('\n')).toMatch(/Chosen on the validation rows: hinge,lambda=1\./);
    expect(notes(summary).join('\n')).not.toMatch(/not looked at/);
    const early = summarize(madeUpComparison(), ['validation']);
    expect(notes(early)).toContain('The test rows were not looked at.');
    expect(comparisonTables(early).filter(({ title }) => /test/i.test(title))).toEqual([]);
  });

  it('say how large the sample of the exact rankings is', () => {
    const comparison = madeUpComparison();
    const sampled = summarize({ ...comparison, options: { ...comparison.options, exactRows: 3 } });
    expect(notes(sampled).join('\n')).toContain(
      'Exact rankings are those of a random sample of 3 rows (--exact-rows).',
    );
    expect(notes(summary).join('\n')).not.toContain('sample');
  });

  it('are Markdown tables of as many columns as the head has', () => {
    expect(toMarkdown({ title: '', head: ['', 'a'], rows: [['x|y', '1']] })).toBe(
      '|  | a |\n| --- | ---: |\n| x\\|y | 1 |',
    );
  });
});

describe('the plots of a comparison', () => {
  it('are those that the report needs, the ranking first', () => {
    expect(comparisonPlots(summary).map(({ name }) => name)).toEqual([
      'ranking',
      'differences',
      'pruned-by-decision',
      'ndcg-by-epoch',
      'cross-entropy-by-epoch',
      'margins',
      'time-of-the-loss',
    ]);
  });

  it('leave out what compares with MSL where it was not run', () => {
    const comparison = madeUpComparison();
    comparison.variants = comparison.variants.filter(({ name }) => name !== 'msl');
    const names = comparisonPlots(summarize(comparison)).map(({ name }) => name);
    expect(names).toEqual([
      'ranking',
      'pruned-by-decision',
      'ndcg-by-epoch',
      'cross-entropy-by-epoch',
      'time-of-the-loss',
    ]);
  });

  it('show the test rows only where they may be looked at', () => {
    const captions = comparisonPlots(summarize(madeUpComparison(), ['validation'])).map(({ title }) => title);
    expect(captions.join('\n')).not.toMatch(/test rows/);
  });
});

describe('writeComparison', () => {
  it('writes a report that needs nothing else, with every table and every plot', () =>
    withFolder(async (folder) => {
      const report = await writeComparison(folder, summary, SETTINGS);
      const html = readFileSync(report, 'utf8');
      expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\((?!#)/);
      // Names of XML namespaces are no links.
      expect(html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '')).not.toMatch(/https?:/);
      expect(html).toContain('made up &lt;data&gt;');
      expect(html).toContain('--out &quot;a&lt;b&quot;');
      for (const { title, rows } of comparisonTables(summary)) {
        expect(html).toContain(`<h2>${title}</h2>`);
        for (const cell of rows.flat()) expect(html).toContain(`<td>${cell}</td>`);
      }
      const plots = readdirSync(join(folder, 'plots'));
      expect(plots.sort()).toEqual(
        comparisonPlots(summary)
          .map(({ name }) => `${name}.svg`)
          .sort(),
      );
      for (const plot of plots) {
        const svg = readFileSync(join(folder, 'plots', plot), 'utf8');
        expect(svg).toMatch(/^<svg[\s\S]*<\/svg>$/);
        expect(html).toContain(svg.slice('<svg'.length));
      }
    }));

  it('begins with the verdict, then has the plots, then the tables', () =>
    withFolder(async (folder) => {
      const html = readFileSync(await writeComparison(folder, summary, SETTINGS), 'utf8');
      const [verdict = '', plots = '', tables = ''] = ['class="verdict"', '<svg', '<table'].map(
        (mark) => html.split(mark)[0],
      );
      expect(verdict).toMatch(/<h1>Comparison of losses<\/h1>\n<p $/);
      expect(verdict.length).toBeLessThan(plots.length);
      expect(plots.length).toBeLessThan(tables.length);
      expect(html.lastIndexOf('<svg')).toBe(tables.lastIndexOf('<svg'));
      for (const sentence of verdictOf(summary).sentences) {
        expect(html).toContain(sentence.replaceAll('"', '&quot;'));
      }
    }));

  it('draws the names of all variants', () =>
    withFolder(async (folder) => {
      await writeComparison(folder, summary, SETTINGS);
      for (const name of ['ranking', 'ndcg-by-epoch', 'pruned-by-decision', 'time-of-the-loss']) {
        const svg = readFileSync(join(folder, 'plots', `${name}.svg`), 'utf8');
        for (const text of ['msl', 'hinge,lambda=1']) expect(svg).toContain(`>${text}</text>`);
      }
    }));

  it('writes the same tables as Markdown, and all figures as JSON', () =>
    withFolder(async (folder) => {
      await writeComparison(folder, summary, SETTINGS);
      const markdown = readFileSync(join(folder, 'comparison.md'), 'utf8');
      for (const each of comparisonTables(summary)) expect(markdown).toContain(toMarkdown(each));
      const json = JSON.parse(readFileSync(join(folder, 'comparison.json'), 'utf8'));
      expect(json).toEqual(JSON.parse(JSON.stringify(summary)));
    }));
});

describe('writeRunReport', () => {
  it('reports on one run, with its own settings and without a choice', () =>
    withFolder(async (folder) => {
      const comparison = madeUpComparison();
      const [{ results } = { results: [] }] = comparison.variants;
      const options = { ...comparison.options, loss: 'msl' as const };
      const variants = [{ name: 'this model', results: results.slice(0, 1) }];
      const one = summarize({ ...comparison, options, seeds: [1], variants });
      const html = readFileSync(await writeRunReport(folder, one, SETTINGS), 'utf8');
      expect(readdirSync(folder)).toEqual(['report.html']);
      expect(html).toContain('<h1>A trained recommender</h1>');
      expect(html).toContain('<td>--loss</td><td>msl</td>');
      // Of the penalty, which msl does not have.
      expect(html).not.toContain('<td>--lambda</td>');
      expect(html).not.toContain('Chosen on the validation rows');
      expect(html.match(/<svg/g)).toHaveLength(5);
    }));

  it('has a control after the variants, its temperatures, and the contender against it', () => {
    const comparison = madeUpComparison();
    const [reference, contender] = comparison.variants;
    const control = {
      contender: 'hinge,lambda=1',
      temperatures: [0.5, 0.75],
      entropies: [1.25, 1.5],
      results: contender?.results ?? [],
    };
    const summary = summarize({ ...comparison, control });
    expect(summary.chosen).toBe(summarize(comparison).chosen);
    const figures = figuresTable(summary, 'validation').rows;
    expect(figures.map(([name]) => name)).toEqual([
      'popularity',
      'msl',
      'hinge,lambda=1',
      'msl at the entropy of hinge,lambda=1',
    ]);
    expect(figures[3]?.slice(1)).toEqual(figures[2]?.slice(1));
    const differences = differenceTable(summary, 'validation').rows;
    expect(differences.map(([name]) => name)).toEqual([
      'hinge,lambda=1',
      'msl at the entropy of hinge,lambda=1',
      'hinge,lambda=1, against the control',
    ]);
    expect(differences[1]?.slice(1)).toEqual(differences[0]?.slice(1));
    // The control has the contender's results, and so the difference between the two is none.
    expect(differences[2]?.[1]).toBe('+0.0000 [+0.0000, +0.0000]');
    const same = summarize({ ...comparison, control: { ...control, results: reference?.results ?? [] } });
    expect(differenceTable(same, 'validation').rows[2]?.slice(1)).toEqual(differences[0]?.slice(1));
    expect(notes(summary).join('\n')).toMatch(/at the temperatures 0.500, 0.750 \(by seed\).*: 1.250, 1.500 nats/);
  });
});
