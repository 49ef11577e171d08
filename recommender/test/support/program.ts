import { createProgram } from '../../src/cli/program';

export interface CommandOutcome {
  output: string;
  /** Message of the error that the command line ends with, undefined where it ends well. */
  error: string | undefined;
}

/** Runs the command line in this process, as `fused-bear-recommender ...args`. */
export async function runCommand(...args: string[]): Promise<CommandOutcome> {
  const lines: string[] = [];
  const log = jest.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  const program = createProgram();
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: (text) => lines.push(text) });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return { output: lines.join('\n'), error: undefined };
  } catch (error) {
    return { output: lines.join('\n'), error: (error as Error).message };
  } finally {
    log.mockRestore();
  }
}
