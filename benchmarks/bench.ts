// npm run bench: what the loss costs, as ratios to what its memory traffic alone costs in the same run; or another suite,
// beside peers; or what changed between two runs.
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { InvalidArgumentError, Option, program } from 'commander';
import type { CudaDeviceName } from 'fused-bear-loss/cuda';
import { deviceShapes, fullShapes, listCases, quickShapes, type Shape } from './cases';
import { type ComparedRun, formatComparison, readRun } from './compare';
import type { FusedBearLoss } from './contenders';
import { describeMachine } from './machine';
import { loadBenchAddon } from './native';
import { findPeers } from './peers/peer';
import { seed } from './random-logits';
import { formatReport, machineText } from './report';
import type { Results } from './results';
import { runCases } from './run';
import { givenLogits } from './suites/given-logits';
import { writePlots } from './suites/plots';
import { formatSuite } from './suites/report';
import type { SuiteResults } from './suites/results';
import { runSuite } from './suites/run-suite';
import type { Suite } from './suites/suite';
import { suiteNamed, suites } from './suites/suites';
import { bufferCount } from './workspace';

interface Options {
  suite: string;
  quick?: boolean;
  filter: RegExp;
  seconds: number;
  runs?: number;
  threads: number[];
  device: 'cpu' | CudaDeviceName;
  eventLoop?: boolean;
  bare?: boolean;
  peers: boolean;
  memory: boolean;
  json?: string;
  plots?: string;
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

function readCommand(): void {
  const names = ['loss', ...suites.map(({ name }) => name)];
  program
    .name('npm run bench --')
    .description('Times fusedBearLoss and prints ratios to the memory floor that the same run measures.')
    .addHelpText('after', `\nSuites:\n${suites.map(({ name, description }) => `  ${name}: ${description}`).join('\n')}`)
    .addOption(new Option('--suite <name>', 'what to time').choices(names).default('loss'))
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
    .option('--no-peers', 'without what others compute, and in the suite loss without the gradient error')
    .option('--no-memory', 'without peak memory, which takes a fresh process for each contender')
    .option('--json <file>', 'write everything measured to this file (default for a GPU: benchmarks/cuda.json)')
    .option('--plots <folder>', 'draw the series of a suite as SVG files in this folder')
    .option('--addon <file>', 'a trial build of the benchmark addon')
    .option(
      '--tunings <texts>',
      'bare calls with other tunings in turns with the rest, as in "zen4; prefetchWindow=8192"',
      parseTunings,
      [],
    )
    .action(runBenchmark);
  program
    .command('compare <before> <after>')
    .description('Prints how the times of two files of --json differ')
    .action((before: string, after: string) => {
      try {
        const [left, right] = [before, after].map((file) => readRun(readFileSync(file, 'utf8'), file));
        console.log(formatComparison(left as ComparedRun, right as ComparedRun));
      } catch (error) {
        program.error((error as Error).message);
      }
    });
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

async function runBenchmark(options: Options): Promise<void> {
  if (options.eventLoop) return runEventLoop(options);
  if (options.device !== 'cpu') return runOnDevice(options, options.device);
  if (options.suite !== 'loss') return runOtherSuite(options);
  return runLoss(options);
}

function progressBar(cases: number): { onCase(name: string): void; stop(): void } {
  const bar = new SingleBar({ format: '{bar} {value}/{total}  {case}', clearOnComplete: true });
  bar.start(cases, 0, { case: '' });
  let started = 0;
  return { onCase: (name) => bar.update(started++, { case: name }), stop: () => bar.stop() };
}

/** Undefined: no case matches the filter. */
async function measureSuite(suite: Suite, options: Options): Promise<SuiteResults | undefined> {
  const { capabilities } = await import('fused-bear-loss');
  const found = capabilities();
  const family = process.env.FUSED_BEAR_LOSS_TUNING ? undefined : found.tuning;
  const machine = { ...describeMachine(found), ...(family ? { family } : {}) };
  const size = options.quick ? 'quick' : 'full';
  const { threads } = options;
  const cases = (await suite.listCases({ size, threads })).filter(({ name }) => options.filter.test(name));
  if (cases.length === 0) return undefined;
  const peers = options.peers ? await findPeers() : [];
  const secondsPerCase = options.runs || options.quick ? 0 : options.seconds;
  const fewestRounds = options.runs ?? (options.quick ? 2 : 5);
  const mostRounds = options.runs ?? 200;
  const bar = progressBar(cases.length);
  const measured = await runSuite(suite, cases, {
    size,
    threads,
    peers: new Set(peers.filter(({ version }) => version !== undefined).map(({ name }) => name)),
    secondsPerCase,
    fewestRounds,
    mostRounds,
    memory: options.memory,
    onCase: bar.onCase,
  });
  bar.stop();
  return {
    suite: suite.name,
    machine: { ...machine, loadAverageAfter: os.loadavg() },
    settings: {
      quick: options.quick ?? false,
      filter: options.filter.source,
      secondsPerCase,
      fewestRounds,
      mostRounds,
    },
    peers,
    cases: measured,
  };
}

async function runOtherSuite(options: Options): Promise<void> {
  const suite = suiteNamed(options.suite);
  const results = (await measureSuite(suite, options)) ?? program.error('no case matches the filter');
  console.log(formatSuite(suite, results));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, roundFractions, 1)}\n`);
  if (options.plots) {
    const files = await writePlots(results, options.plots);
    console.log(files.length > 0 ? `Drawn: ${files.join(', ')}` : 'Nothing drawn: the cases have no series');
  }
}

async function runLoss(options: Options): Promise<void> {
  const addon = loadBenchAddon(options.addon);
  const compute = options.bare ? undefined : await loadFacade();
  const machine = describeMachine(addon.kernelInfo());
  const cases = listCases(options.quick ? quickShapes : fullShapes, options.threads, options.filter);
  if (cases.length === 0) program.error('no case matches the filter');

  const bar = progressBar(cases.length);
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
    onCase: bar.onCase,
  });
  bar.stop();
  const beside = options.peers && compute ? await measureSuite(givenLogits, options) : undefined;

  const results: Results = {
    suite: 'loss',
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
    beside,
  };
  console.log(formatReport(results));
  if (beside) console.log(`\n${formatSuite(givenLogits, beside)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, roundFractions, 1)}\n`);
}

readCommand();
program.parseAsync().catch((error: unknown) => {
  // The package says what is wrong with a device and what to do; where it was thrown helps nobody.
  const isBearError = typeof (error as { code?: unknown }).code === 'string';
  console.error(isBearError ? `${(error as { code: string }).code}: ${(error as Error).message}` : error);
  process.exitCode = 1;
});
