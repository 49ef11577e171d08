import { capabilities } from 'fused-bear-loss';
import { runCommand } from './support';

describe('doctor', () => {
  it('says what the kernel runs on and whether the recommender is ready', async () => {
    const { output } = await runCommand('doctor');
    expect(output).toContain(`fused-bear-loss ${capabilities().version} on Node ${process.version}`);
    expect(output).toContain(`CPU kernel   ${capabilities().instructionSet} (of `);
    expect(output).toMatch(/^CUDA {9}\S/m);
    expect(output).toMatch(/^recommender {2}ready/m);
  });

  it('says the same as JSON', async () => {
    const findings = JSON.parse((await runCommand('doctor', '--json')).output);
    expect(findings.kernel).toEqual(JSON.parse(JSON.stringify(capabilities())));
    expect(findings.missing).toEqual({ recommender: [], plots: [] });
  });
});
