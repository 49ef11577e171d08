import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ComparisonPlan, compare, comparePart, mergeComparisons } from '../../src/comparison/compare';
import type { Control } from '../../src/comparison/comparison';
import { parseVariant, type Variant } from '../../src/comparison/variants';
import { baselineRanks, popularity } from '../../src/training/baselines';
import { decisionLogits, meanEntropy } from '../../src/training/entropy';
import { evaluate } from '../../src/training/evaluation';
import { loadBestParameters, readRunFolder } from '../../src/training/run-folder';
import type { RunOptions } from '../../src/training/run-options';
import type { RunResult } from '../../src/training/run-result';
import { modelOf, type Workbench } from '../../src/training/workbench';
import { contentOf, openTinyWorkbench, TINY_RUN, withFolder } from '../support/recommender';

const RUN = { ...TINY_RUN, epochs: 1 };
const MSL = parseVariant('msl');
const HINGE = parseVariant('hinge,lambda=2');

// Whole trainings, on a machine that may be shared.
jest.setTimeout(60_000);

let workbench: Workbench;

beforeAll(async () => {
  workbench = await openTinyWorkbench();
});

function planOf(from: Workbench, shared: RunOptions, variants: readonly Variant[], seeds: number[]): ComparisonPlan {
  return { workbench: from, shared, variants, seeds };
}

/** The titles of the runs that a comparison makes. */
function noting(): { titles: string[]; onRun: (title: string) => { stop: () => void } } {
  const titles: string[] = [];
  return {
    titles,
    onRun: (title) => {
      titles.push(title);
      return { stop: () => {} };
    },
  };
}

describe('compare', () => {
  it('trains every variant with every seed, and keeps the rows in order', () =>
    withFolder(async (folder) => {
      const { titles, onRun } = noting();
      const comparison = await compare(planOf(workbench, RUN, [MSL, HINGE], [1, 2]), folder, { onRun });
      expect(titles).toEqual(['msl, seed 1', 'hinge,lambda=2, seed 1', 'msl, seed 2', 'hinge,lambda=2, seed 2']);
      expect(comparison.variants.map(({ name }) => name)).toEqual(['msl', 'hinge,lambda=2']);
      for (const { results } of comparison.variants) {
        expect(results.map(({ options }) => options.seed)).toEqual([1, 2]);
        for (const { test } of results) expect(test.beamRanks).toHaveLength(workbench.split.test.length);
      }
      expect(comparison.variants[1]?.results[0]?.options).toMatchObject({ loss: 'bear', penalty: 'hinge', lambda: 2 });
      expect(comparison.test.users).toEqual(workbench.split.test.map(({ user }) => user));
      expect(comparison.test.baselines.map(({ name }) => name)).toEqual([
        'popularity',
        'popularity, recent',
        'item-to-item counts',
      ]);
      const popular = baselineRanks(popularity(workbench.split.train), workbench.split.test, workbench.catalogue.trie);
      expect(comparison.test.baselines[0]?.ranks).toEqual(popular);
    }));

  it('runs again only what is not there yet', () =>
    withFolder(async (folder) => {
      const first = await compare(planOf(workbench, RUN, [MSL], [1]), folder);
      const { titles, onRun } = noting();
      const wider = await compare(planOf(workbench, RUN, [MSL, HINGE], [1, 2]), folder, { onRun });
      expect(titles).toEqual(['hinge,lambda=2, seed 1', 'msl, seed 2', 'hinge,lambda=2, seed 2']);
      expect(wider.variants[0]?.results[0]).toEqual(first.variants[0]?.results[0]);
    }));

  it('goes on with a run that was cut off, to the same ranks', () =>
    withFolder(async (folder) => {
      const longer = { ...RUN, epochs: 2 };
      const onRun = () => ({
        stop: () => {},
        onEpoch: () => {
          throw new Error('cut off');
        },
      });
      await expect(compare(planOf(workbench, longer, [MSL], [1]), join(folder, 'cut'), { onRun })).rejects.toThrow(
        'cut off',
      );
      const goneOn = await compare(planOf(workbench, longer, [MSL], [1]), join(folder, 'cut'));
      const whole = await compare(planOf(workbench, longer, [MSL], [1]), join(folder, 'whole'));
      const ranks = ({ variants }: typeof whole) => variants[0]?.results[0]?.test.beamRanks;
      expect(ranks(goneOn)).toEqual(ranks(whole));
    }));

  it('refuses results of other options and of other data, before it runs or writes anything', () =>
    withFolder(async (folder) => {
      await compare(planOf(workbench, RUN, [MSL], [1]), folder);
      const runs = readdirSync(join(folder, 'runs'));
      const result = join(folder, 'runs', runs[0] as string, 'result.json');
      const written = statSync(result).mtimeMs;
      const other = { ...RUN, learningRate: 0.01 };
      await expect(compare(planOf(workbench, other, [HINGE, MSL], [1]), folder)).rejects.toThrow(
        `${result}: the result of other options: --learning-rate is 0.03 there and 0.01 here`,
      );
      const [row, ...rows] = workbench.split.test;
      const otherData = {
        ...workbench,
        split: { ...workbench.split, test: [...rows, { ...row, time: 1 }] },
      } as Workbench;
      await expect(compare(planOf(otherData, RUN, [HINGE, MSL], [1]), folder)).rejects.toThrow(
        /the result of other data/,
      );
      expect(readdirSync(join(folder, 'runs'))).toEqual(runs);
      expect(statSync(result).mtimeMs).toBe(written);
    }));

  it('refuses an unfinished run of other options before it runs another', () =>
    withFolder(async (folder) => {
      const onRun = () => ({
        stop: () => {},
        onEpoch: () => {
          throw new Error('cut off');
        },
      });
      await expect(compare(planOf(workbench, RUN, [MSL], [1]), folder, { onRun })).rejects.toThrow('cut off');
      const { titles, onRun: note } = noting();
      const other = { ...RUN, learningRate: 0.01 };
      await expect(compare(planOf(workbench, other, [HINGE, MSL], [1]), folder, { onRun: note })).rejects.toThrow(
        /msl-seed-1: cannot go on with other options: --learning-rate is 0.03 there and 0.01 here/,
      );
      expect(titles).toEqual([]);
    }));

  it('refuses a folder that holds the report of somebody else', () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'report.html'), 'mine');
      await expect(compare(planOf(workbench, RUN, [MSL], [1]), folder)).rejects.toThrow(
        `${folder}: holds report.html but no runs of a comparison`,
      );
      expect(readdirSync(folder)).toEqual(['report.html']);
    }));

  it('does not mind a file that it does not write, as a log', () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'log.txt'), 'mine');
      await compare(planOf(workbench, RUN, [MSL], [1]), folder);
      expect(readFileSync(join(folder, 'log.txt'), 'utf8')).toBe('mine');
    }));

  it.each(['{}', 'null'])('names a result that is none: %s', (content) =>
    withFolder(async (folder) => {
      await compare(planOf(workbench, RUN, [MSL], [1]), folder);
      writeFileSync(join(folder, 'runs', 'msl-seed-1', 'result.json'), content);
      await expect(compare(planOf(workbench, RUN, [MSL], [1]), folder)).rejects.toThrow(
        /result\.json: cannot be read \(it does not begin with a digest, .*\); put back a copy of it, or delete it/,
      );
    }),
  );

  it('names a result that is cut short', () =>
    withFolder(async (folder) => {
      await compare(planOf(workbench, RUN, [MSL], [1]), folder);
      const run = join(folder, 'runs', 'msl-seed-1');
      truncateSync(join(run, 'result.json'), 100);
      const before = contentOf(run);
      await expect(compare(planOf(workbench, RUN, [MSL], [1]), folder)).rejects.toThrow(/result\.json: cannot be read/);
      expect(contentOf(run)).toEqual(before);
      expect(readFileSync(join(run, 'result.json'))).toHaveLength(100);
    }));

  it('refuses two variants with one name', () =>
    withFolder(async (folder) => {
      await expect(compare(planOf(workbench, RUN, [MSL, HINGE, MSL], [1]), folder)).rejects.toThrow(
        'two variants have the name msl',
      );
    }));

  describe('with a control', () => {
    const plan = (control: string) => ({ ...planOf(workbench, { ...RUN, epochs: 3 }, [MSL, HINGE], [1, 2]), control });

    it("searches the reference's runs at the temperature that gives them the contender's entropy", () =>
      withFolder(async (folder) => {
        const comparison = await compare(plan('hinge,lambda=2'), folder);
        const { contender, temperatures, entropies, results } = comparison.control as Control;
        expect(contender).toBe('hinge,lambda=2');
        const runOf = (name: string) => {
          const { options } = readRunFolder(join(folder, 'runs', name)).result as RunResult;
          const model = modelOf(workbench, options);
          loadBestParameters(join(folder, 'runs', name), model);
          return model;
        };
        const { validation, test } = workbench.split;
        for (const [index, seed] of [1, 2].entries()) {
          const temperature = temperatures[index] as number;
          const reference = runOf(`msl-seed-${seed}`);
          const trained = await decisionLogits(runOf(`hinge_lambda_2-seed-${seed}`), validation);
          expect(entropies[index]).toBe(meanEntropy(trained, 1));
          expect(meanEntropy(await decisionLogits(reference, validation), temperature)).toBeCloseTo(
            entropies[index] as number,
            9,
          );
          const found = await evaluate(reference, test, { beamWidth: RUN.beamWidth, temperature });
          expect(results[index]?.test.beamRanks).toEqual(found.beamRanks);
        }
      }));

    it('finds the same after a merge', () =>
      withFolder(async (root) => {
        const { control } = await compare(plan('hinge,lambda=2'), join(root, 'whole'));
        const merged = await mergeComparisons(plan('hinge,lambda=2'), [join(root, 'whole')], root);
        expect(merged.control?.temperatures).toEqual(control?.temperatures);
      }));

    it.each(['msl', 'hinge,lambda=1'])('refuses %s, which is no variant beside msl, before it trains', (control) =>
      withFolder(async (folder) => {
        await expect(compare(plan(control), folder)).rejects.toThrow(`got ${control} of msl hinge,lambda=2`);
        expect(readdirSync(folder)).toEqual([]);
      }),
    );
  });

  describe('in parts', () => {
    const plan = () => planOf(workbench, RUN, [MSL, HINGE], [1, 2, 3]);

    it('trains every run in one part, and merges them to what one process finds', () =>
      withFolder(async (root) => {
        const folders = ['one', 'two'].map((name) => join(root, name));
        const titles: string[] = [];
        for (const [index, folder] of folders.entries()) {
          const noted = noting();
          expect(await comparePart(plan(), folder, { number: index + 1, count: 2 }, noted)).toBe(3);
          titles.push(...noted.titles);
        }
        const whole = noting();
        const expected = await compare(plan(), join(root, 'whole'), whole);
        expect(titles.sort()).toEqual(whole.titles.sort());
        const merged = await mergeComparisons(plan(), folders, root);
        const ranks = ({ variants }: typeof merged) =>
          variants.map(({ name, results }) => [
            name,
            results.map(({ options, test }) => [options.seed, test.beamRanks]),
          ]);
        expect(ranks(merged)).toEqual(ranks(expected));
        expect((await mergeComparisons(plan(), [...folders, join(root, 'whole')], root)).seeds).toEqual([1, 2, 3]);
      }));

    it('refuses to merge where a run is missing, or is of other options', () =>
      withFolder(async (folder) => {
        await comparePart(plan(), folder, { number: 1, count: 3 });
        await expect(mergeComparisons(plan(), [folder], folder)).rejects.toThrow(
          `${folder}: no finished run of hinge_lambda_2-seed-1, msl-seed-2, msl-seed-3, hinge_lambda_2-seed-3`,
        );
        const other = planOf(workbench, { ...RUN, learningRate: 0.01 }, [MSL], [1]);
        await expect(mergeComparisons(other, [folder], folder)).rejects.toThrow(
          /the result of other options: --learning-rate/,
        );
      }));
  });
});
