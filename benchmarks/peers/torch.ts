// PyTorch on the CPU, in a process of its own that computes when it is asked to.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunOutcome } from '../suites/suite';

/** The first that has torch. Debian's python3-torch is for Debian's own Python, which another may hide. */
const interpreters = [process.env.PYTHON ?? 'python3', '/usr/bin/python3'];
const program = join(__dirname, 'torch_worker.py');

export const torchFormulas = ['products', 'authors', 'cross-entropy', 'chunked cross-entropy'] as const;
export type TorchFormula = (typeof torchFormulas)[number];

/** The inputs of a case; see Case in torch_worker.py. */
export interface TorchCase {
  blocks: string;
  rows: number;
  vocabSize: number;
  /** Of the weights, or of the logits. */
  scale: number;
  /** Undefined: the logits are given. */
  hiddenSize?: number;
  targets: number[];
  allowed?: { offsets: number[]; tokens: number[] };
}

class Process {
  readonly #lines: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** Undefined where the interpreter or torch is not there. */
  static async start(interpreter: string, threads: number): Promise<{ process: Process; version: string } | undefined> {
    const count = String(threads);
    const env = { ...process.env, OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count };
    const child = spawn(interpreter, [program], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)));
    const started = new Process(child);
    const first = await Promise.race([failed, started.#lines.next()]);
    if (first === undefined || first.done) return undefined;
    return { process: started, version: (JSON.parse(first.value) as { version: string }).version };
  }

  async ask<T>(request: object): Promise<T> {
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('PyTorch: the process has ended, perhaps for lack of memory');
    return JSON.parse(value) as T;
  }

  close(): void {
    this.child.stdin?.end();
  }
}

async function start(threads: number) {
  for (const interpreter of interpreters) {
    const started = await Process.start(interpreter, threads);
    if (started !== undefined) return started;
  }
  return undefined;
}

export async function torchVersion(): Promise<string | undefined> {
  const started = await start(1);
  started?.process.close();
  return started?.version;
}

/** One process for the contenders of a case. */
export class TorchPeer {
  #process: Promise<Process> | undefined;
  #users = 0;

  constructor(
    private readonly inputs: () => TorchCase,
    private readonly threads: number,
  ) {}

  async open(formula: TorchFormula) {
    this.#users++;
    this.#process ??= this.#start();
    const process = await this.#process;
    return {
      run: () => process.ask<RunOutcome>({ run: formula }),
      peakBytes: async () => (await process.ask<{ bytes: number }>({ peak: formula })).bytes,
      close: () => {
        if (--this.#users > 0) return;
        process.close();
        this.#process = undefined;
      },
    };
  }

  async #start(): Promise<Process> {
    const started = await start(this.threads);
    if (started === undefined) throw new Error('PyTorch is not there any more');
    await started.process.ask({ open: this.inputs() });
    return started.process;
  }
}
