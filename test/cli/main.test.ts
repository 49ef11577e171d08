import { capabilities } from 'fused-bear-loss';
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
    expect(output).toMatch(/^CUDA {9}\S/m);
  });

  it('prints the same as JSON', () => {
    const findings = JSON.parse(runCommand('doctor', '--json').output);
    expect(findings.kernel).toEqual(JSON.parse(JSON.stringify(capabilities())));
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
  ])('refuses %j with its usage', (args, message) => {
    const { exitCode, output, errors } = runCommand(...args);
    expect({ exitCode, output }).toEqual({ exitCode: 1, output: '' });
    expect(errors).toContain(message);
    expect(errors).toContain('Usage: fused-bear-loss');
  });
});
