/** Every instruction set of the CPU backend gives the same decisions bit for bit, and the same loss within tolerance. */
import { deviceUnderTest } from '../support/backend-under-test';
import { type ProbeAnswer, probeProblems } from '../support/instruction-set-probe';
import { INSTRUCTION_SETS } from '../support/instruction-sets';
import { runReference } from '../support/loss-call';
import { runProbe } from '../support/run-probe';
import { expectAllClose, ORDINARY } from '../support/tolerance';

if (deviceUnderTest !== 'cpu') {
  describe.skip(`instruction sets (skipped: the backend under test is ${deviceUnderTest}, not the CPU)`, () => {
    it('agree with one another', () => {});
  });
} else {
  const answers = new Map(
    INSTRUCTION_SETS.map((name) => [
      name,
      JSON.parse(runProbe('instruction-set-probe.ts', name).toString()) as ProbeAnswer,
    ]),
  );
  const baseline = answers.get('baseline') as ProbeAnswer;

  describe('the instruction sets of the CPU backend', () => {
    it('include the baseline, which can be asked for by name', () => {
      expect(baseline.instructionSet).toBe('baseline');
      expect(baseline.results.length).toBeGreaterThan(50);
    });

    it('baseline agrees with the float64 reference', () => {
      probeProblems().forEach(({ name, call }, index) => {
        const losses = baseline.results[index]?.losses ?? [];
        expectAllClose(losses, runReference(call).loss as Float64Array, ORDINARY.loss, name);
      });
    });

    for (const name of INSTRUCTION_SETS.slice(1)) {
      const answer = answers.get(name) as ProbeAnswer;
      const test = answer.instructionSet === name ? it : it.skip;
      const why =
        answer.instructionSet === name ? '' : ` (skipped: this machine runs ${answer.instructionSet} instead)`;
      test(`${name} selects the threshold, ranks and prunes exactly as the baseline does${why}`, () => {
        expect(answer.results.map(({ name: problem, exact }) => ({ problem, exact }))).toEqual(
          baseline.results.map(({ name: problem, exact }) => ({ problem, exact })),
        );
      });
      test(`${name} has the losses of the baseline within the tolerance${why}`, () => {
        answer.results.forEach(({ name: problem, losses }, index) => {
          expectAllClose(losses, baseline.results[index]?.losses ?? [], ORDINARY.loss, problem);
        });
      });
    }
  });
}
