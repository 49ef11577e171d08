import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syntheticDataset } from '../../src/data/synthetic-data';
import { type RunHooks, type RunResult, run } from '../../src/training/run';
import { type RunOptions, searchTemperatureOf } from '../../src/training/run-options';
import { readSafetensors } from '../../src/training/safetensors';
import { openWorkbench, type Workbench } from '../../src/training/workbench';
import { contentOf, openTinyWorkbench, TINY_RUN, withFolder } from '../support/recommender';

// Whole trainings, on a machine that may be shared.
jest.setTimeout(60_000);

let workbench: Workbench;

beforeAll(async () => {
  workbench = await openTinyWorkbench();
});

/** All numbers of a run but the times. */
function numbersOf(folder: string, { metrics, test, validation, bestEpoch, marginsAfter }: RunResult) {
  const untimed = ({ searchMilliseconds: _, exactMilliseconds: __, ...ranks }: RunResult['test']) => ranks;
  return {
    metrics: metrics.map(({ lossMilliseconds: _, stepMilliseconds: __, ...numbers }) => numbers),
    bestEpoch,
    marginsAfter,
    test: untimed(test),
    validation: untimed(validation),
    checkpoint: readSafetensors(join(folder, 'checkpoint.safetensors')).tensors,
    best: readSafetensors(join(folder, 'best.safetensors')).tensors,
  };
}

/** Hooks that end the run, as if by a signal, at the given step counted over all epochs, or after an epoch. */
function stopAt(place: { step: number } | { epoch: number }): RunHooks {
  const stop = () => {
    throw new Error('stopped');
  };
  return {
    onStep: ({ done }) => ('step' in place && done === place.step ? stop() : undefined),
    onEpoch: ({ epoch }) => ('epoch' in place && epoch === place.epoch ? stop() : undefined),
  };
}

describe('a run', () => {
  it('that is resumed ends with the numbers of one that was not, bit for bit', () =>
    withFolder(async (root) => {
      const whole = join(root, 'whole');
      const expected = numbersOf(whole, await run(workbench, TINY_RUN, whole));
      const cut = join(root, 'cut');
      for (const place of [{ step: 1 }, { epoch: 1 }, { step: 6 }, { epoch: 3 }]) {
        await expect(run(workbench, TINY_RUN, cut, { ...stopAt(place), resume: true })).rejects.toThrow('stopped');
      }
      expect(numbersOf(cut, await run(workbench, TINY_RUN, cut, { resume: true }))).toEqual(expected);
      // Once more, when it is finished.
      expect(numbersOf(cut, await run(workbench, TINY_RUN, cut, { resume: true }))).toEqual(expected);
    }));

  it('does not depend on the number of threads', () =>
    withFolder(async (root) => {
      const [one, two] = [join(root, 'one'), join(root, 'two')];
      const options = { ...TINY_RUN, epochs: 1 };
      const first = await run(workbench, { ...options, threads: 1 }, one);
      const second = await run(workbench, { ...options, threads: 2 }, two);
      expect(numbersOf(one, first)).toEqual(numbersOf(two, second));
    }));

  it('searches at the temperature of its loss, unless it has one of its own', () =>
    withFolder(async (root) => {
      const options = { ...TINY_RUN, epochs: 1, temperature: 2 };
      const [one, same, sharper] = ['one', 'same', 'sharper'].map((name) => join(root, name)) as [
        string,
        string,
        string,
      ];
      const expected = numbersOf(one, await run(workbench, options, one));
      const { best } = numbersOf(same, await run(workbench, { ...options, searchTemperature: 2 }, same));
      expect(best).toEqual(expected.best);
      expect(searchTemperatureOf(options)).toBe(2);
      expect(searchTemperatureOf({ ...options, searchTemperature: 0.5 })).toBe(0.5);
      const untempered = numbersOf(sharper, await run(workbench, { ...options, temperature: 1 }, sharper));
      expect(untempered.best).not.toEqual(expected.best);
    }));

  it('writes its options and a line of figures for each epoch', () =>
    withFolder(async (root) => {
      const folder = join(root, 'run');
      const { metrics } = await run(workbench, TINY_RUN, folder);
      const [head, ...epochs] = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
      expect(JSON.parse(head as string)).toMatchObject({ options: TINY_RUN, data: workbench.dataset.description });
      expect(epochs.map((line) => JSON.parse(line))).toEqual(metrics);
      expect(metrics.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
      expect(metrics[0]?.lossMilliseconds).toBeLessThan(metrics[0]?.stepMilliseconds as number);
    }));

  it('ends when validation has not got better for so many epochs, and tests the best', () =>
    withFolder(async (root) => {
      // Steps so small that no rank changes: the first epoch stays the best.
      const options = { ...TINY_RUN, learningRate: 1e-9, epochs: 9, patience: 2 };
      const { metrics, bestEpoch } = await run(workbench, options, join(root, 'run'));
      expect([metrics.length, bestEpoch]).toEqual([3, 1]);
    }));
});

describe('a folder that already holds something', () => {
  /** Expects an error and the same files as before. */
  async function expectRefusal(folder: string, message: string, options: RunOptions = TINY_RUN, bench = workbench) {
    const before = contentOf(folder);
    await expect(run(bench, options, folder, { resume: true })).rejects.toThrow(message);
    expect(contentOf(folder)).toEqual(before);
  }

  function bestEpoch(folder: string): number {
    return JSON.parse(readSafetensors(join(folder, 'best.safetensors')).state).state.metrics.length;
  }

  it('is not overwritten without a word', () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'thesis.tex'), '');
      await expectRefusal(folder, `${folder}: holds thesis.tex, which is no run's`);
    }));

  it("is refused where a file of somebody else has the name of a run's", () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'data.json'), '{"mine": true}');
      await expectRefusal(folder, `${join(folder, 'data.json')}: cannot be read (it does not begin with a digest`);
    }));

  it('is refused where it has only the model of a run that was trained for long', () =>
    withFolder(async (folder) => {
      // Its third epoch is the best.
      const options = { ...TINY_RUN, seed: 6, learningRate: 0.1, dropout: 0 };
      await run(workbench, options, folder);
      for (const name of readdirSync(folder)) {
        if (name !== 'best.safetensors' && name !== 'data.json') rmSync(join(folder, name));
      }
      expect(bestEpoch(folder)).toBeGreaterThan(1);
      await expectRefusal(folder, 'holds best.safetensors but no checkpoint.safetensors', options);
    }));

  it('is used where a run ended before its first checkpoint', () =>
    withFolder(async (root) => {
      const [whole, cut] = [join(root, 'whole'), join(root, 'cut')];
      const options = { ...TINY_RUN, epochs: 1 };
      const expected = numbersOf(whole, await run(workbench, options, whole));
      await run(workbench, options, cut);
      for (const name of ['checkpoint.safetensors', 'metrics.jsonl', 'result.json']) rmSync(join(cut, name));
      writeFileSync(join(cut, 'checkpoint.safetensors.partial'), 'cut off');
      expect(numbersOf(cut, await run(workbench, options, cut))).toEqual(expected);
    }));

  it('is refused where it holds a run and nobody asked to go on with it', () =>
    withFolder(async (folder) => {
      await run(workbench, { ...TINY_RUN, epochs: 1 }, folder);
      const before = contentOf(folder);
      await expect(run(workbench, { ...TINY_RUN, epochs: 1 }, folder)).rejects.toThrow('holds a run already');
      expect(contentOf(folder)).toEqual(before);
    }));

  it('is refused where the run has other options or other data, or a damaged checkpoint', () =>
    withFolder(async (folder) => {
      await run(workbench, TINY_RUN, folder);
      const other = 'cannot go on with other options:';
      await expectRefusal(folder, `${other} --lambda is 0.25 there and 1 here`, { ...TINY_RUN, lambda: 1 });
      await expectRefusal(folder, `${other} --loss-beam-width is 3 there and 5 here`, {
        ...TINY_RUN,
        lossBeamWidth: 5,
      });
      await expectRefusal(folder, `${other} --lambdas is not set there and 2,1 here`, { ...TINY_RUN, lambdas: [2, 1] });
      await expectRefusal(folder, `${other} --train-rows is not set there and 9 here`, { ...TINY_RUN, trainRows: 9 });
      const otherData = await openWorkbench(syntheticDataset({ items: 30, users: 20, purchases: 7 }, 6), TINY_RUN);
      await expectRefusal(folder, 'cannot go on with other data', TINY_RUN, otherData);

      const checkpoint = join(folder, 'checkpoint.safetensors');
      const whole = readFileSync(checkpoint);
      truncateSync(checkpoint, whole.length - 100);
      await expectRefusal(folder, `${checkpoint}: not a whole checkpoint`);
      whole[whole.length - 50] = (whole[whole.length - 50] as number) ^ 1;
      writeFileSync(checkpoint, whole);
      await expectRefusal(folder, `${checkpoint}: not a whole checkpoint`);
    }));

  it('is refused where it lost its checkpoint but not its result', () =>
    withFolder(async (folder) => {
      await run(workbench, { ...TINY_RUN, epochs: 1 }, folder);
      for (const name of readdirSync(folder)) if (name !== 'result.json') rmSync(join(folder, name));
      await expectRefusal(folder, 'holds result.json but no checkpoint.safetensors');
    }));
});
