import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

export interface Ended {
  status: number | NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  milliseconds: number;
}

export interface Where {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/** Runs a command to its end, which comes after ten minutes at the latest. */
export function run(command: readonly string[], { cwd, env }: Where): Promise<Ended> {
  const [program, ...args] = command as [string, ...string[]];
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 10 * 60_000 });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ status: code ?? signal, ...output, milliseconds: performance.now() - started }),
    );
  });
}

/** Runs jobs, as many at once as there are processors. */
export async function inParallel<Job, Result>(
  jobs: readonly Job[],
  work: (job: Job) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = [...jobs.entries()];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), jobs.length) }, worker));
  return results;
}
