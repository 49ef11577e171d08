import { ndcgAt } from 'fused-bear-loss/decoding';
import { evaluate, validationNdcg } from '../../lib/recommender/evaluation';
import { openTinyWorkbench, TINY_DATASET, tinyModel } from './support';

describe('evaluate', () => {
  it('ranks each target in the beam and among all, and says which decision loses it', async () => {
    const workbench = await openTinyWorkbench();
    const model = tinyModel(workbench, 4);
    const rows = TINY_DATASET.rows.slice(0, 30);
    const narrow = await evaluate(model, rows, 2);
    expect([narrow.beamRanks.length, narrow.exactRanks.length, narrow.droppedAt.length]).toEqual([30, 30, 30]);
    expect(narrow.droppedAt.map((step) => step >= 0)).toEqual(narrow.beamRanks.map((rank) => rank < 0));
    expect(narrow.beamRanks.some((rank) => rank < 0)).toBe(true);
    // A beam as wide as the catalogue finds what the exact search finds.
    const wide = await evaluate(model, rows, 30);
    expect(wide.beamRanks).toEqual(wide.exactRanks);
    expect(await validationNdcg(model, rows, 2)).toBe(ndcgAt(narrow.beamRanks, 10));
  });
});
