import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exactTopItems } from 'fused-bear-loss/decoding';
import { makeSearchStep } from '../../src/model/search-step';
import { openTrainedRun, recommend } from '../../src/training/recommend';
import { run } from '../../src/training/run';
import { openTinyWorkbench, TINY_DATASET, TINY_RUN, withFolder } from '../support/recommender';

const options = { ...TINY_RUN, epochs: 1 };
const history = TINY_DATASET.rows[0]?.history as number[];

it('recommends from the folder of a run alone, with the probabilities of its model', () =>
  withFolder(async (folder) => {
    await run(await openTinyWorkbench(), options, folder);
    const { model, endOfTraining } = await openTrainedRun(folder);
    const query = { history, time: endOfTraining };
    const { trie, titles } = model.catalogue;
    const best = await recommend(model, query, 30);
    const step = await makeSearchStep(model, [query]);
    const [exact = []] = await exactTopItems({ step, trie, users: 1, count: 30 });
    expect(best).toHaveLength(30);
    expect(best.map(({ items }) => items)).toEqual(exact.map(({ items }) => [...items]));
    best.forEach(({ title, items, logProbability }, place) => {
      expect(title).toBe(titles.get(items[0] as number));
      expect(logProbability).toBeCloseTo(exact[place]?.logProbability as number, 4);
    });
    expect(best.reduce((sum, { logProbability }) => sum + Math.exp(logProbability), 0)).toBeCloseTo(1, 4);
    expect(endOfTraining).toBeGreaterThan(TINY_DATASET.rows[0]?.time as number);
  }));

it('refuses a history with an item that the catalogue lacks', () =>
  withFolder(async (folder) => {
    await run(await openTinyWorkbench(), options, folder);
    const { model } = await openTrainedRun(folder);
    const query = { history: [...history, 999], time: 0 };
    await expect(recommend(model, query, 3)).rejects.toThrow('history: item 999 is not in the catalogue');
  }));

it('names the file that a run lacks or that is damaged', () =>
  withFolder(async (folder) => {
    await expect(openTrainedRun(folder)).rejects.toThrow(`${folder}: no trained run in it`);
    await run(await openTinyWorkbench(), options, folder);
    const data = join(folder, 'data.json');
    truncateSync(data, 40);
    await expect(openTrainedRun(folder)).rejects.toThrow(`${data}: cannot be read`);
    rmSync(data);
    await expect(openTrainedRun(folder)).rejects.toThrow(`${data}: cannot be read`);
    const best = join(folder, 'best.safetensors');
    writeFileSync(best, 'x');
    await expect(openTrainedRun(folder)).rejects.toThrow(`${best}: not a whole checkpoint`);
  }));
