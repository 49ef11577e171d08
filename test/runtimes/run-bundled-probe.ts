import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

declare const PROBE_FOLDER: string;

/** As test/support/run-probe.ts, of a bundle. TEST_LAUNCHER is the command that starts this runtime for a file, as JSON. */
export function runProbeWith(program: string, variables: Record<string, string>): Buffer {
  const [command, ...args] = JSON.parse(process.env.TEST_LAUNCHER ?? '') as [string, ...string[]];
  const child = spawnSync(command, [...args, join(PROBE_FOLDER, program.replace(/\.ts$/, '.cjs'))], {
    env: { ...process.env, ...variables },
    maxBuffer: 2 ** 28,
  });
  if (child.status !== 0) throw new Error(`${program} failed for ${JSON.stringify(variables)}: ${child.stderr}`);
  return child.stdout;
}

export function runProbe(program: string, instructionSet: string): Buffer {
  return runProbeWith(program, { FUSED_BEAR_LOSS_INSTRUCTION_SET: instructionSet });
}
