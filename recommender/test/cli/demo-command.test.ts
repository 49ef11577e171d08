import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { runCommand } from '../support/program';

it('compares losses with two seeds beside the baselines, and leaves a report with pictures alone', async () => {
  const { output, error } = await runCommand('demo', '--smoke', '--epochs', '1');
  expect(error).toBeUndefined();
  expect(output).toContain('recommender/README.md, "The demo"');
  for (const name of ['item-to-item counts', 'msl', 'hinge,lambda=0.25', 'log-sigmoid,lambda=4']) {
    expect(output).toContain(`│ ${name} `);
  }
  expect(output).toMatch(/^Beam of 10; seeds 1, 2\./m);
  expect(output).toMatch(/NDCG@10 [\d.]+ against [\d.]+ of "[\w, -]+", the best baseline/);
  const [, report = ''] = /^Report with pictures: (.+)$/m.exec(output) ?? [];
  try {
    expect(readFileSync(report, 'utf8')).toContain('<svg role="img" aria-label="Ranking of the test rows"');
    expect(readdirSync(dirname(report)).sort()).toEqual(['comparison.json', 'comparison.md', 'plots', 'report.html']);
  } finally {
    if (existsSync(report)) rmSync(dirname(report), { recursive: true });
  }
});
