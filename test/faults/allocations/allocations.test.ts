// Memory that runs out: run.cjs says how. In processes of their own, as a failure may end one.
import { outputOf, runProgram } from '../../standalone/run-program';
import { whyNotEmulated } from '../../support/emulator';

describe('an allocation of the addon that fails', () => {
  const why = whyNotEmulated();
  const test = why === null ? it : it.skip;

  test(`ends each public call cleanly, whichever it is${why === null ? '' : ` (skipped: ${why})`}`, () => {
    const counts = JSON.parse(outputOf(runProgram('../../faults/allocations/run')));
    expect(counts['that allocate']).toBeGreaterThanOrEqual(30);
    expect(counts['and end cleanly']).toBe(counts['that allocate']);
    expect(counts['failing allocations']).toBeGreaterThan(2000);
    expect(counts.errors).toBeGreaterThan(2000);
  });
});
