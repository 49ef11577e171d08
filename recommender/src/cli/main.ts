import { constants } from 'node:os';
import { createProgram } from './program.js';
import { printable } from './terminal.js';

/** The command line of this process. */
export async function main(): Promise<void> {
  // Whoever reads the output has seen enough, as `| head` does: ends as a program that SIGPIPE ends.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(128 + constants.signals.SIGPIPE);
  });
  try {
    await createProgram().parseAsync();
  } catch (error) {
    console.error(printable(`fused-bear-recommender: ${(error as Error).message}`));
    process.exitCode = 1;
  }
}
