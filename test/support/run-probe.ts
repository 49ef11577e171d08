import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Runs a program of this folder with the kernels of one instruction set, and returns what it printed. A process of its own, as
 * the choice is made once per process.
 */
export function runProbe(program: string, instructionSet: string): Buffer {
  return runProbeWith(program, { FUSED_BEAR_LOSS_INSTRUCTION_SET: instructionSet });
}

/** The same with any variables of the environment. */
export function runProbeWith(program: string, variables: Record<string, string>): Buffer {
  const child = spawnSync(process.execPath, ['--import', 'tsx', join(__dirname, program)], {
    env: { ...process.env, ...variables },
    maxBuffer: 2 ** 28,
  });
  if (child.status !== 0) throw new Error(`${program} failed with ${JSON.stringify(variables)}: ${child.stderr}`);
  return child.stdout;
}
