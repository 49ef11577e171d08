// Runs one step within its limit.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseClocks } from './records';
import type { StepResult } from './results';
import type { Context, Output, Reading, Step, Tool } from './steps';

/** Where CUDA's tools lie when they are not on the PATH. */
const toolFolders = ['/usr/local/cuda/bin', '/opt/nvidia/nsight-compute/bin'];

/** Undefined where there is no such program. */
export function findTool(tool: Tool, { emulated, root }: Context): string | undefined {
  if (tool === 'node') return process.execPath;
  const candidates =
    tool === 'device_check'
      ? [join(root, 'build', emulated ? 'device-check-emulated' : 'device-check', 'device_check')]
      : [...(process.env.PATH ?? '').split(delimiter), ...toolFolders].map((folder) => join(folder, tool));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function whyMissing(tool: Tool): string {
  if (tool === 'device_check') return 'device_check is not built: it takes nvcc, and npm run build:device-check';
  return `${tool} is not on the PATH`;
}

interface Ended extends Output {
  seconds: number;
  timedOut: boolean;
}

/** In a process group of its own, which is killed as a whole where the limit is over. */
function runWithin(program: string, args: string[], env: NodeJS.ProcessEnv, cwd: string, limitSeconds: number) {
  return new Promise<Ended>((resolve) => {
    const started = performance.now();
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr, timedOut] = ['', '', false];
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    const kill = () => {
      timedOut = true;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {} // it has just ended
    };
    const timer = setTimeout(kill, limitSeconds * 1000);
    const end = (exitCode: number | null, why = '') => {
      clearTimeout(timer);
      const seconds = (performance.now() - started) / 1000;
      resolve({ exitCode, stdout, stderr: stderr + why, seconds, timedOut });
    };
    child.on('error', (error) => end(null, error.message));
    child.on('close', (exitCode, signal) => end(exitCode, signal && !timedOut ? `killed by ${signal}` : ''));
  });
}

/** Asks for the clocks twice a second until it is told to end. */
function watchClocks(): () => string {
  const query = [
    '--query-gpu=clocks.sm,clocks.mem,power.draw',
    '--format=csv,noheader,nounits',
    '-i',
    '0',
    '-lms',
    '500',
  ];
  const child = spawn('nvidia-smi', query, { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.on('error', () => {}); // no nvidia-smi, no clocks
  return () => {
    child.kill();
    return output;
  };
}

/** A tool that prints what was not foreseen must not end the check. */
function readSafely(step: Step, output: Output): Reading {
  try {
    return step.read(output);
  } catch (error) {
    return { records: [], status: 'failed', reason: `its output could not be read: ${(error as Error).message}` };
  }
}

export async function runStep(step: Step, context: Context): Promise<StepResult> {
  const { name, decides } = step;
  // A rehearsal shares its machine with others, and has no eight minutes to keep to.
  const limitSeconds = step.limitSeconds * (context.emulated ? 4 : 1);
  const common = { name, limitSeconds, decides };
  const found = new Map(step.needs.map((tool) => [tool, findTool(tool, context)]));
  const missing = step.needs.find((tool) => found.get(tool) === undefined);
  if (missing) return { ...common, status: 'skipped', reason: whyMissing(missing), seconds: 0, records: [] };

  const command = step.command(context);
  const program = found.get(command.tool) as string;
  const args = command.args.map((arg) => (arg === 'DEVICE_CHECK' ? (found.get('device_check') as string) : arg));
  const emulatedAddon = context.emulated ? { FUSED_BEAR_LOSS_PREBUILD: join(context.root, 'build', 'emulated') } : {};
  const env = { ...process.env, ...emulatedAddon, ...command.env };
  const stopWatching = step.watchesClocks ? watchClocks() : () => '';
  const { seconds, timedOut, ...output } = await runWithin(program, args, env, context.root, limitSeconds);
  const clocks = parseClocks(stopWatching());
  const { records, status, reason } = readSafely(step, output);
  if (timedOut && status !== 'wrong') {
    const ended = `ended by its limit of ${limitSeconds} s, after ${records.length} records`;
    return { ...common, status: 'limit', reason: ended, seconds, records: [...records, ...clocks] };
  }
  return { ...common, status, reason, seconds, records: [...records, ...clocks] };
}
