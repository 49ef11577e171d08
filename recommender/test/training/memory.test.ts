import { EVIDENCE } from '../../src/model/evidence';
import { parameterCount, requireTrainable } from '../../src/training/memory';
import { run } from '../../src/training/run';
import type { RunOptions } from '../../src/training/run-options';
import type { Workbench } from '../../src/training/workbench';
import { contentOf, openTinyWorkbench, TINY_RUN, tinyModel, withFolder } from '../support/recommender';

jest.setTimeout(60_000);

let workbench: Workbench;

beforeAll(async () => {
  workbench = await openTinyWorkbench();
});

it.each([1, 4, 64])('counts the parameters of a model of dimension %i without making it', async (dimension) => {
  for (const evidence of EVIDENCE) {
    const model = tinyModel(await openTinyWorkbench(evidence), dimension);
    expect(parameterCount({ ...model.size, evidence }, workbench.catalogue)).toBe(model.parameterCount);
  }
});

describe('a run', () => {
  it.each<[Partial<RunOptions>, RegExp]>([
    [{ historyPlaces: 1_000_000, dimension: 64 }, /most of it is for --history-places 1000000$/],
    [{ dimension: 1_000_000_000 }, /most of it is for --dimension 1000000000$/],
    [{ dimension: Number.MAX_SAFE_INTEGER, historyPlaces: Number.MAX_SAFE_INTEGER }, /need about \S+ GiB of memory/],
  ])('with %j is refused before anything is written', (change, message) =>
    withFolder(async (folder) => {
      await expect(run(workbench, { ...TINY_RUN, ...change }, folder)).rejects.toThrow(message);
      expect(contentOf(folder)).toEqual({});
    }),
  );

  it.each<[Partial<RunOptions>, RegExp]>([
    [{ dropout: 1 }, /dropout: expected a number in \[0, 1\), got 1/],
    [{ batchSize: 0 }, /batchSize: expected a positive whole number, got 0/],
    [{ epochs: Number.NaN }, /epochs: expected a positive whole number/],
    [{ loss: 'hinge' as never }, /loss: expected one of sft, msl, bear, apao, got "hinge"/],
    [{ penalty: 'softplus', xi: 1e-300 }, /the loss refuses the options \(.*--xi 1e-300.*\): /],
    [{ lambda: 1e300 }, /the loss refuses the options \(--lambda 1e\+300.*\): /],
    [{ lambdas: [1, 1e300] }, /the loss refuses the options \(--lambda 1,1e\+300.*\): /],
    [{ threads: 2 ** 40 }, /the loss refuses the options .*threads/],
  ])('with %j is refused before anything is written', (change, message) =>
    withFolder(async (folder) => {
      await expect(run(workbench, { ...TINY_RUN, ...change }, folder)).rejects.toThrow(message);
      expect(contentOf(folder)).toEqual({});
    }),
  );

  it('with batches larger than the data has one batch of all rows for each number of decisions', () =>
    withFolder(async (folder) => {
      const totals = new Set<number>();
      const options = { ...TINY_RUN, epochs: 1, batchSize: 1_000_000_000 };
      await run(workbench, options, folder, { onStep: ({ total }) => totals.add(total) });
      expect(Math.max(...totals)).toBeLessThan(5);
    }));
});

it('a beam as wide as one likes is counted as the catalogue is wide', () => {
  expect(() => requireTrainable({ ...TINY_RUN, beamWidth: 1e12 }, workbench)).not.toThrow();
});
