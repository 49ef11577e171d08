// The list of survivors against the sources as they are. Whether its mutants do survive, the mutation run says.
import { resolve } from 'node:path';
import { nameOf } from './mutants';
import { listedSurvivors, mutantsOfHost, mutantsOfKernels, staleSurvivors } from './survivors';
import survivors from './survivors.json';

const root = resolve(__dirname, '../../..');
const mutants = [...mutantsOfKernels(root), ...mutantsOfHost(root)];

describe('the list of survivors', () => {
  it('names mutants that the sources have', () => {
    expect(listedSurvivors.size).toBeGreaterThan(0);
    expect(staleSurvivors(mutants)).toEqual([]);
  });

  it('notices an entry whose line is gone', () => {
    const [gone] = listedSurvivors;
    expect(staleSurvivors(mutants.filter((mutant) => nameOf(mutant) !== gone))).toEqual([gone]);
  });

  it('names each once, with a reason', () => {
    expect(listedSurvivors.size).toBe(survivors.length);
    for (const { reason } of survivors) expect(reason).toMatch(/^[A-Z].{20,}\.$/);
  });

  it('leaves most mutants to be found', () => {
    expect(survivors.length).toBeLessThan(mutants.length / 4);
  });
});
