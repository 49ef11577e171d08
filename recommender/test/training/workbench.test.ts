import { describeWorkbench, openWorkbench } from '../../src/training/workbench';
import { TINY_DATASET } from '../support/recommender';

describe('describeWorkbench', () => {
  it('says how many rows and users each part has', async () => {
    const text = describeWorkbench(await openWorkbench(TINY_DATASET, { split: 'user' }));
    expect(text).toContain('Data: SYNTHETIC');
    expect(text).toContain('30 items');
    expect(text).toContain('45 training rows of 15 users, 6 validation rows of 2 users, 9 test rows of 3 users');
    expect(text).not.toContain('Warning');
  });

  it('warns of titles that occur twice and of empty ones, with their number', async () => {
    const titles = new Map(TINY_DATASET.titles);
    titles.set(5, titles.get(6) as string);
    titles.set(7, titles.get(6) as string);
    titles.set(9, '');
    const text = describeWorkbench(await openWorkbench({ ...TINY_DATASET, titles }, { split: 'user' }));
    expect(text).toContain('Warning: 3 items share a title with another; a hit on any of them is a hit.');
    expect(text).toContain('Warning: 1 item has an empty title.');
  });
});
