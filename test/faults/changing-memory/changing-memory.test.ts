// Memory that another thread writes to: run.cjs says how. In a process of its own, as the failure is a crash. The sanitizers
// look at the same program (test/standalone/sanitizers.test.ts).
import { outputOf, runProgram } from '../../standalone/run-program';

describe('arguments that another thread writes to', () => {
  it.each(['fusedBearLoss', 'topTokens'])('crash no call of %s, and hang none', (name) => {
    const counts = JSON.parse(
      outputOf(runProgram('../../faults/changing-memory/run', { programArguments: ['100', name] })),
    );
    expect(counts.calls).toBeGreaterThan(counts['sets of arguments']);
  });
});
