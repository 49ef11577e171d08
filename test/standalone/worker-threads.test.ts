import { outputOf, runProgram } from './run-program';

describe('a worker that is terminated', () => {
  it('while its calls run and wait leaves the process alive and able to compute', () => {
    expect(outputOf(runProgram('terminate-workers'))).toBe('alive');
  });
});

describe('several workers at once', () => {
  it('compute beside the main thread', () => {
    expect(outputOf(runProgram('workload'))).toBe('clean');
  });
});
