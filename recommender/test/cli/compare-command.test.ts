import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../support/program';
import { TINY_DATASET, withFolder, writeDataFolder } from '../support/recommender';

// Jest rewrites all of vega as CommonJS when it first sees it.
jest.setTimeout(3 * 60_000);

const SMALL = ['--dimension', '4', '--batch-size', '32', '--beam-width', '3', '--epochs', '1'];

function makeDataFolder(root: string): string {
  const data = join(root, 'data');
  mkdirSync(data);
  writeDataFolder(data, TINY_DATASET);
  return data;
}

describe('compare', () => {
  it('prints tables, says what the validation rows choose, and leaves a report', () =>
    withFolder(async (root) => {
      const out = join(root, 'out');
      const compare = ['compare', '--data', makeDataFolder(root), '--out', out, ...SMALL];
      const variants = ['--variants', 'msl', 'hinge,lambda=2', '--control', 'hinge,lambda=2'];
      const { output, error } = await runCommand(...compare, '--seeds', '2..3', ...variants);
      expect(error).toBeUndefined();
      expect(readdirSync(join(out, 'runs')).sort()).toEqual([
        'hinge_lambda_2-seed-2',
        'hinge_lambda_2-seed-3',
        'msl-seed-2',
        'msl-seed-3',
      ]);
      for (const part of ['Validation', 'Test']) {
        expect(output).toMatch(new RegExp(`^${part}, \\d+ rows$`, 'm'));
        expect(output).toMatch(new RegExp(`^${part}, \\d+ rows, against msl$`, 'm'));
      }
      expect(output).toMatch(/│ item-to-item counts +│/);
      expect(output).toMatch(/│ hinge,lambda=2 +│ +\d\.\d{4} \[/);
      expect(output).toContain('hinge,lambda=2, against the control');
      expect(output).toContain('seeds 2, 3');
      expect(output).toMatch(/Chosen on the validation rows: /);
      expect(output).toContain(`Report: ${join(out, 'report.html')}`);
      expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('</html>');

      const early = await runCommand(...compare, '--seeds', '2..3', '--variants', 'msl', '--validation-only');
      expect(early.error).toBeUndefined();
      expect(early.output).toContain('The test rows were not looked at.');
      expect(early.output).not.toMatch(/^Test, /m);
      expect(readFileSync(join(out, 'comparison.md'), 'utf8')).not.toMatch(/Test, \d+ rows/);
    }));

  it('trains in parts, and merges them', () =>
    withFolder(async (root) => {
      const [one, two, out] = ['one', 'two', 'out'].map((name) => join(root, name)) as [string, string, string];
      const compare = ['compare', '--data', makeDataFolder(root), ...SMALL, '--seeds', '1', '--variants', 'msl', 'sft'];
      const first = await runCommand(...compare, '--out', one, '--part', '1/2');
      expect(first.output).toContain(`Part 1 of 2: 1 runs are in ${one}.`);
      const early = await runCommand(...compare, '--out', out, '--merge', one, two);
      expect(early.error).toBe(`${one}, ${two}: no finished run of sft-seed-1`);
      expect((await runCommand(...compare, '--out', two, '--part', '2/2')).error).toBeUndefined();
      const merged = await runCommand(...compare, '--out', out, '--merge', one, two);
      expect(merged.error).toBeUndefined();
      expect(merged.output).toContain(`Report: ${join(out, 'report.html')}`);
      expect(readdirSync(one)).toEqual(['runs']);
      expect((await runCommand(...compare, '--out', out, '--merge', two, one)).error).toBeUndefined();
    }));

  it.each([
    [['--seeds', '0'], /Expected a range of seeds such as 1\.\.5/],
    [['--seeds', '5..1'], /Expected a range of seeds such as 1\.\.5/],
    [['--seeds', 'a'], /Expected a range of seeds such as 1\.\.5/],
    [['--seeds', '1..100000'], /Expected a range of seeds such as 1\.\.5/],
    [['--part', '3/2'], /Expected i\/n with i from 1 to n/],
    [['--part', '0/2'], /Expected i\/n with i from 1 to n/],
    [['--part', '1'], /Expected i\/n with i from 1 to n/],
    [['--part', '1/2', '--control', 'hinge'], /cannot be used with option '--control/],
    [['--control', 'hinges'], /variant "hinges": expected one of/],
    [['--part', '1/2', '--merge', 'a'], /cannot be used with option '--merge/],
    [['--variants', 'hinge,labda=1'], /variant "hinge,labda=1": expected lambda=NUMBER/],
  ])('refuses %j before it reads or writes', (flags, message) =>
    withFolder(async (root) => {
      const out = join(root, 'out');
      const { error } = await runCommand('compare', '--data', join(root, 'nowhere'), '--out', out, ...flags);
      expect(error).toMatch(message);
      expect(existsSync(out)).toBe(false);
    }),
  );

  it('names a data folder that is not there', () =>
    withFolder(async (root) => {
      const data = join(root, 'nowhere');
      const { error } = await runCommand('compare', '--data', data, '--out', join(root, 'out'));
      expect(error).toContain(data);
      expect(existsSync(join(root, 'out'))).toBe(false);
    }));
});
