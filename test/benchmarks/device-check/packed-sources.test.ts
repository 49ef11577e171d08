import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listPackedSources } from '../../../benchmarks/device-check/packed-sources';

const root = join(__dirname, '../../..');

describe('what the archive of the check holds', () => {
  const sources = listPackedSources(root);

  it('is in the checkout, each once', () => {
    expect(sources.filter((source) => source !== 'dist' && !existsSync(join(root, source)))).toEqual([]);
    expect(new Set(sources).size).toBe(sources.length);
  });

  it('has what the tests import from other packages of the workspace', () => {
    expect(sources).toContain('recommender/src/random/mulberry32.ts');
  });
});
