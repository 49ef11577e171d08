// Memory that another thread writes to: run.cjs says how. In a process of its own, as the failure is a crash. The sanitizers
// look at the same program (test/standalone/sanitizers.test.ts).
import { outputOf, runProgram } from '../../standalone/run-program';

it('no call crashes or hangs while another thread writes to its arguments', () => {
  const counts = JSON.parse(outputOf(runProgram('../../faults/changing-memory/run')));
  expect(counts['kinds of calls']).toBeGreaterThan(40);
  expect(counts.calls).toBeGreaterThan(counts['sets of arguments']);
});
