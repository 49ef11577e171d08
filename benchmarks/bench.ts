// npm run bench: what the loss costs, as ratios to what its memory traffic alone costs in the same run.
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { InvalidArgumentError, program } from 'commander';
import type { CudaDeviceName } from 'fused-bear-loss/cuda';
import { deviceShapes, fullShapes, listCases, quickShapes, type Shape } from './cases';
import type { FusedBearLoss } from './contenders';
import { describeMachine } from './machine';
import { loadBenchAddon } from './native';
import { seed } from './random-logits';
import { formatReport, machineText } from './report';
import type { Results } from './results';
import { runCases } from './run';
import { bufferCount } from './workspace';

interface Options {
  quick?: boolean;
  filter: RegExp;
  seconds: number;
  runs?: number;
  threads: number[];
  device: 'cpu' | CudaDeviceName;
  eventLoop?: boolean;
  bare?: boolean;
  peers: boolean;
  json?: string;
  addon?: string;
  tunings: string[];
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a positive number is needed');
  return value;
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function parseThreads(text: string): number[] {
  const counts = text.split(',').map(parsePositive);
  if (!counts.every(Number.isInteger)) throw new InvalidArgumentError('whole numbers are needed, such as 1,2');
  return counts;
}

function parseTunings(text: string): string[] {
  return text.split(';').map((each) => each.trim());
}

function parseDevice(text: string): Options['device'] {
  if (!/^(cpu|cuda(:\d+)?)$/.test(text)) throw new InvalidArgumentError('cpu, cuda or cuda:1 are devices');
  return text as Options['device'];
}

function parseOptions(): Options {
  return program
    .name('npm run bench --')
    .description('Times fusedBearLoss and prints ratios to the memory floor that the same run measures.')
    .option('--quick', 'tiny shapes and few runs: shows that the benchmark works, not how fast anything is')
    .option(
      '--filter <pattern>',
      'only cases whose name matches, such as "32000, float32, 1 thread"',
      parsePattern,
      /^/,
    )
    .option('--seconds <seconds>', 'time for each case', parsePositive, 4.5)
    .option('--runs <runs>', 'exactly so many runs of each contender, in place of --seconds', parsePositive)
    .option('--threads <counts>', 'thread counts', parseThreads, [...new Set([1, os.availableParallelism()])])
    .option('--device <device>', 'where the loss runs: cpu, cuda, or cuda: and a number', parseDevice, 'cpu' as const)
    .option('--event-loop', 'instead: how long synchronous and asynchronous calls keep the event loop from turning')
    .option('--bare', "only the backend's C++ function, without fused-bear-loss itself (for work on the kernels)")
    .option('--no-peers', 'without the plain JavaScript loops and the gradient error')
    .option('--json <file>', 'write everything measured to this file (default for a GPU: benchmarks/cuda.json)')
    .option('--addon <file>', 'a trial build of the benchmark addon')
    .option(
      '--tunings <texts>',
      'bare calls with other tunings in turns with the rest, as in "zen4; prefetchWindow=8192"',
      parseTunings,
      [],
    )
    .parse()
    .opts<Options>();
}

// Clock readings have no more digits than this, and there are thousands of them.
function roundFractions(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

async function loadFacade(): Promise<FusedBearLoss> {
  return (await import('fused-bear-loss')).fusedBearLoss;
}

async function runOnDevice(options: Options, device: CudaDeviceName): Promise<void> {
  const { formatDeviceReport, runDeviceBenchmark, quickDeviceShapes } = await import('./device-bench.js');
  const results = runDeviceBenchmark({
    device,
    shapes: options.quick ? quickDeviceShapes : deviceShapes,
    filter: options.filter,
    batches: options.runs ?? (options.quick ? 2 : 30),
    batchSize: options.quick ? 2 : 4,
  });
  console.log(formatDeviceReport(results));
  const file = options.json ?? join(__dirname, `${device.replace(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify(results, roundFractions, 1)}\n`);
  console.log(`Written to ${file}`);
}

async function runEventLoop(options: Options): Promise<void> {
  const { formatEventLoop, measureEventLoop } = await import('./event-loop.js');
  const { capabilities, fusedBearLoss, fusedBearLossAsync } = await import('fused-bear-loss');
  const machine = describeMachine(capabilities());
  const [shape] = (options.quick ? quickShapes : fullShapes) as [Shape];
  const turns = options.runs ?? (options.quick ? 1 : 10);
  const cases = await measureEventLoop({ shape, turns, sync: fusedBearLoss, async: fusedBearLossAsync });
  const results = { machine: { ...machine, loadAverageAfter: os.loadavg() }, settings: { shape, turns, seed }, cases };
  console.log(`${machineText(results.machine)}\n\n${formatEventLoop(shape, cases)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, roundFractions, 1)}\n`);
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (options.eventLoop) return runEventLoop(options);
  if (options.device !== 'cpu') return runOnDevice(options, options.device);
  const addon = loadBenchAddon(options.addon);
  const compute = options.bare ? undefined : await loadFacade();
  const machine = describeMachine(addon.kernelInfo());
  const cases = listCases(options.quick ? quickShapes : fullShapes, options.threads, options.filter);
  if (cases.length === 0) program.error('no case matches the filter');

  const bar = new SingleBar({ format: '{bar} {value}/{total}  {case}', clearOnComplete: true });
  bar.start(cases.length, 0, { case: '' });
  let started = 0;
  const secondsPerCase = options.runs || options.quick ? 0 : options.seconds;
  const fewestRounds = options.runs ?? (options.quick ? 3 : 20);
  const mostRounds = options.runs ?? 400;
  const measured = await runCases(cases, {
    addon,
    compute,
    device: 'cpu',
    machine,
    secondsPerCase,
    fewestRounds,
    mostRounds,
    tunings: options.tunings,
    peerRuns: options.peers ? 3 : 0,
    onCase: (name) => bar.update(started++, { case: name }),
  });
  bar.stop();

  const results: Results = {
    machine: { ...machine, loadAverageAfter: os.loadavg() },
    settings: {
      quick: options.quick ?? false,
      call: compute ? 'TypeScript' : 'C++',
      device: 'cpu',
      filter: options.filter.source,
      secondsPerCase,
      fewestRounds,
      mostRounds,
      bufferCount,
      seed,
      tunings: options.tunings,
    },
    ...measured,
  };
  console.log(formatReport(results));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, roundFractions, 1)}\n`);
}

main().catch((error: unknown) => {
  // The package says what is wrong with a device and what to do; where it was thrown helps nobody.
  const isBearError = typeof (error as { code?: unknown }).code === 'string';
  console.error(isBearError ? `${(error as { code: string }).code}: ${(error as Error).message}` : error);
  process.exitCode = 1;
});
