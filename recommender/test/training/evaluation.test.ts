import { beamSearch, hitRatioAt, ndcgAt } from 'fused-bear-loss/decoding';
import type { Recommender } from '../../src/model/model';
import { makeSearchStep } from '../../src/model/search-step';
import { evaluate, ofExactRows, validationNdcg } from '../../src/training/evaluation';
import { openWorkbench, type Workbench } from '../../src/training/workbench';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from '../support/recommender';

describe('evaluate', () => {
  it('ranks each target in the beam and among all, and says which decision loses it', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    const rows = TINY_DATASET.rows.slice(0, 30);
    const narrow = await evaluate(model, rows, { beamWidth: 2 });
    expect([narrow.beamRanks.length, narrow.exactRanks.length, narrow.droppedAt.length]).toEqual([30, 30, 30]);
    expect(narrow.droppedAt.map((step) => step >= 0)).toEqual(narrow.beamRanks.map((rank) => rank < 0));
    expect(narrow.beamRanks.some((rank) => rank < 0)).toBe(true);
    // A beam as wide as the catalogue finds what the exact search finds.
    const wide = await evaluate(model, rows, { beamWidth: 30 });
    expect(wide.beamRanks).toEqual(wide.exactRanks);
    expect(await validationNdcg(model, rows, { beamWidth: 2 })).toBe(ndcgAt(narrow.beamRanks, 10));
  });

  it('computes the exact ranking of a sample that is the same for all models, and the beam of all rows', async () => {
    const workbench = await openTinyWorkbench();
    const [one, other] = [1, 2].map((seed) => tinyModel(workbench, 4, seed)) as [Recommender, Recommender];
    const rows = TINY_DATASET.rows.slice(0, 30);
    const all = await evaluate(one, rows, { beamWidth: 3 });
    const some = await evaluate(one, rows, { beamWidth: 3, exactRows: 10 });
    expect(some.beamRanks).toEqual(all.beamRanks);
    expect(some.exactRows).toHaveLength(10);
    expect(some.exactRanks).toEqual(some.exactRows.map((row) => all.exactRanks[row]));
    expect(some.exactRows).not.toEqual(all.exactRows.slice(0, 10));
    expect((await evaluate(other, rows, { beamWidth: 3, exactRows: 10 })).exactRows).toEqual(some.exactRows);
    expect(ofExactRows(some).beamRanks).toEqual(some.exactRows.map((row) => all.beamRanks[row]));
    expect(ofExactRows(all)).toMatchObject({ beamRanks: all.beamRanks, droppedAt: all.droppedAt, steps: all.steps });
  });

  it('says how far it is', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    const rows = Array.from({ length: 10 }, () => TINY_DATASET.rows.slice(0, 30)).flat();
    const seen: number[] = [];
    await evaluate(model, rows, { beamWidth: 2, exactRows: 20, onProgress: (done, total) => seen.push(done / total) });
    expect(seen).toHaveLength(4);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
    expect((await evaluate(model, rows, { beamWidth: 2, exactRows: 1 })).exactRanks).toHaveLength(1);
    const validated: number[][] = [];
    await validationNdcg(model, rows, { beamWidth: 2, onProgress: (...progress) => validated.push(progress) });
    expect(validated).toEqual([
      [256, 300],
      [300, 300],
    ]);
  });

  it('gives the event loop its turn, so that signals and timers come through', async () => {
    const model = tinyModel(await openTinyWorkbench(), 4);
    let turns = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    await evaluate(model, TINY_DATASET.rows.slice(0, 5), { beamWidth: 2 });
    clearImmediate(next);
    expect(turns).toBeGreaterThan(1);
  });

  it("gives the figures of the authors' evaluation of the same predictions", async () => {
    // Some titles occur twice: the authors compare titles, and so a hit on another item of the title is a hit.
    const titles = new Map(TINY_DATASET.titles);
    for (const item of [4, 11, 12, 21]) titles.set(item, titles.get(item + 1) as string);
    const workbench = await openWorkbench({ ...TINY_DATASET, titles }, { split: 'user' });
    const model = tinyModel(workbench, 4);
    const { rows } = TINY_DATASET;
    const { beamRanks } = await evaluate(model, rows, { beamWidth: 10 });
    const { hits, gains } = await authorsFigures(workbench, model, 10);
    for (const [index, k] of [1, 5, 10].entries()) {
      expect(hitRatioAt(beamRanks, k)).toBeCloseTo(hits[index] as number, 12);
      expect(ndcgAt(beamRanks, k)).toBeCloseTo(gains[index] as number, 12);
    }
    expect(hits[2]).toBeGreaterThan(0.1);
    expect(hits[2]).toBeLessThan(1);
  });
});

/**
 * The authors' evaluation, loop for loop: for each row the predicted titles, in quotes, in the order of the beam; the first
 * that equals the target's title is the rank.
 */
async function authorsFigures({ dataset }: Workbench, model: ReturnType<typeof tinyModel>, beamWidth: number) {
  const { rows } = TINY_DATASET;
  const step = await makeSearchStep(model, rows);
  const found = await beamSearch({ step, trie: model.catalogue.trie, users: rows.length, beamWidth });
  const quoted = (item: number) => `"${dataset.titles.get(item)}"`;
  const predictions = found.map((ranking) => ranking.map(({ items }) => quoted(items[0] as number)));
  const hits: number[] = [];
  const gains: number[] = [];
  for (const topK of [1, 5, 10]) {
    let hit = 0;
    let gain = 0;
    for (const [row, { target }] of rows.entries()) {
      let rank = Number.MAX_SAFE_INTEGER;
      for (const [place, title] of (predictions[row] as string[]).entries()) {
        if (title === quoted(target)) {
          rank = place;
          break;
        }
      }
      if (rank < topK) {
        gain += 1 / Math.log(rank + 2);
        hit += 1;
      }
    }
    hits.push(hit / rows.length);
    gains.push(gain / rows.length / (1 / Math.log(2)));
  }
  return { hits, gains };
}
