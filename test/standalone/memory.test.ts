import { outputOf, runProgram } from './run-program';

// A leak of one buffer a call would be 300 MiB and more; the noise of the allocator is a few.
const MOST_MEBIBYTES = 48;

describe('memory after many calls', () => {
  it.each([
    'sync',
    'sync-fresh',
    'refused',
    'async',
    'linear',
    'linear-async',
    'parts',
    'queued',
    'aborted',
    'detached',
  ])('of large arrays is what it was: %s', (kind) => {
    const nodeArguments = ['--expose-gc'];
    const growth = outputOf(runProgram('memory', { nodeArguments, programArguments: [kind] }));
    expect(growth).toMatch(/^-?\d+$/);
    expect(Number(growth)).toBeLessThan(MOST_MEBIBYTES);
  });

  it('of copies is what earlier calls used', () => {
    const share = outputOf(runProgram('page-faults'));
    expect(share).toMatch(/^\d+\.\d+$/);
    expect(Number(share)).toBeLessThan(0.1);
  });

  it('of small arrays is what it was after 100000 calls', () => {
    const growth = outputOf(runProgram('small-calls', { nodeArguments: ['--expose-gc'] }));
    expect(growth).toMatch(/^-?\d+$/);
    expect(Number(growth)).toBeLessThan(16);
  });
});
