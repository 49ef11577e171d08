import { capabilities } from 'fused-bear-loss';
import { describeFindings, examine, type Findings, isSound } from '../../lib/cli/doctor';
import { main } from '../../lib/cli/main';

interface Outcome {
  exitCode: number;
  output: string;
  errors: string;
}

/** Runs the command line in this process, as `fused-bear-loss ...args`. */
function runCommand(...args: string[]): Outcome {
  const lines = { log: [] as string[], error: [] as string[] };
  const spies = (['log', 'error'] as const).map((stream) =>
    jest.spyOn(console, stream).mockImplementation((...line: unknown[]) => void lines[stream].push(line.join(' '))),
  );
  const before = process.exitCode;
  try {
    const exitCode = main(args);
    expect(process.exitCode).toBe(exitCode);
    return { exitCode, output: lines.log.join('\n'), errors: lines.error.join('\n') };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
  }
}

describe('fused-bear-loss doctor', () => {
  it('prints what the kernel runs on', () => {
    const { exitCode, output } = runCommand('doctor');
    expect(exitCode).toBe(0);
    expect(output).toContain(`fused-bear-loss ${capabilities().version} on Node ${process.version}`);
    expect(output).toContain(`CPU kernel   ${capabilities().instructionSet} (of `);
    expect(output).toContain(`, tuned for ${capabilities().tuning}, `);
    expect(output).toMatch(/^CUDA {9}\S/m);
    expect(output).toMatch(/^addon {8}\S+\.node$/m);
    expect(output).toMatch(/^numbers {6}native: right/m);
    expect(output).toMatch(/^numbers {6}wasm: (right|not checked, as it does not load: )/m);
  });

  it('prints the same as JSON', () => {
    const findings = JSON.parse(runCommand('doctor', '--json').output);
    expect(findings.kernel).toEqual(JSON.parse(JSON.stringify(capabilities())));
    expect(findings).toMatchObject({
      addon: { file: expect.stringMatching(/\.node$/) },
      checks: [{ backend: 'native', wrong: [] }, { backend: 'wasm' }],
    });
    expect(findings.checks[1].wrong ?? []).toEqual([]);
    expect(capabilities().backend).toBe('native');
  });
});

describe('what doctor concludes', () => {
  it('is that nothing can be relied on where numbers are wrong', () => {
    const findings: Findings = {
      ...examine(),
      checks: [
        { backend: 'native', wrong: [] },
        { backend: 'wasm', wrong: ['losses[0] is 1, not 2'] },
      ],
    };
    expect([isSound(examine()), isSound(findings)]).toEqual([true, false]);
    expect(describeFindings(findings)).toMatch(/^numbers {6}wasm: wrong: losses\[0\] is 1, not 2$/m);
  });

  it('is that one backend is enough', () => {
    const findings: Findings = { ...examine(), checks: [{ backend: 'native', failure: 'there is none' }] };
    expect(isSound(findings)).toBe(true);
    expect(describeFindings(findings)).toMatch(/^numbers {6}native: not checked, as it does not load: there is none$/m);
  });

  it('names the files that could not be used', () => {
    const findings = { ...examine(), attempts: [{ file: 'a.node', reason: 'the file is truncated' }] };
    expect(describeFindings(findings)).toMatch(/^not used {5}a\.node: the file is truncated$/m);
  });
});

describe('fused-bear-loss', () => {
  it('prints its version and its usage', () => {
    expect(runCommand('--version')).toEqual({ exitCode: 0, output: capabilities().version, errors: '' });
    expect(runCommand('--help').output).toContain('doctor [--json]');
  });

  it.each([
    [[], 'a command is missing'],
    [['train'], 'unknown command: train'],
    [['doctor', 'now'], 'unknown command: doctor now'],
    [['doctor', '--jsn'], "Unknown option '--jsn'"],
    [['doctor', '--no-cuda'], 'doctor does not take --no-cuda'],
    [['build', '--json'], 'build does not take --json'],
  ])('refuses %j with its usage', (args, message) => {
    const { exitCode, output, errors } = runCommand(...args);
    expect({ exitCode, output }).toEqual({ exitCode: 1, output: '' });
    expect(errors).toContain(message);
    expect(errors).toContain('Usage: fused-bear-loss');
  });
});
