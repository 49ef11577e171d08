// npm run check:device: are the kernels right on this card, how far are they from its own limits, and what holds them back?
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { program } from 'commander';
import { build } from './builds';
import { judgePeers } from './peer-losses';
import { type DeviceRecord, ofKind, parseRecords, readCommitFile } from './records';
import { formatReport } from './report';
import { type DeviceCheckResults, fileNameOf, verdictOf } from './results';
import { findTool, runStep, whyMissing } from './run-step';
import { type Context, steps } from './steps';

interface Options {
  emulated?: boolean;
  build: boolean;
  out?: string;
  steps?: string;
}

const root = resolve(__dirname, '..', '..');

/** Where no sources are, everything has been built. */
const isUnpacked = !existsSync(join(root, 'CMakeLists.txt'));

function commitOf(): string {
  const packed = readCommitFile(join(root, 'commit'));
  return packed ?? spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? 'unknown';
}

/** What `device_check limits` says of the device, or why nothing can be checked at all. */
function askForDevice(context: Context): { reason?: string; device?: DeviceRecord } {
  const deviceCheck = findTool('device_check', context);
  if (deviceCheck === undefined) return { reason: whyMissing('device_check') };
  const { status, stdout } = spawnSync(deviceCheck, ['limits'], { encoding: 'utf8' });
  if (status === 2) return { reason: stdout.trim() };
  return { device: ofKind(parseRecords(stdout), 'device')[0] };
}

function write(file: string, results: DeviceCheckResults): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${file}.md`, formatReport(results));
}

async function check(options: Options): Promise<number> {
  const emulated = options.emulated ?? false;
  if (options.build && !isUnpacked) build(emulated ? 'rehearsal' : 'check', root);
  const scratch = mkdtempSync(join(tmpdir(), 'fused-bear-loss-check-'));
  const context: Context = { emulated, root, inputs: join(scratch, 'inputs.bin') };
  try {
    const { reason, device } = askForDevice(context);
    if (reason !== undefined) {
      console.error(reason);
      return 2;
    }
    return await runAll(context, options, device);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function runAll(context: Context, options: Options, device: DeviceRecord | undefined): Promise<number> {
  const pattern = new RegExp(options.steps ?? '');
  const chosen = steps.filter(({ name }) => pattern.test(name));
  if (chosen.length === 0) throw new Error(`no step matches ${pattern}: ${steps.map(({ name }) => name).join(', ')}`);
  const folder = options.out ?? join(root, context.emulated ? 'build/device-check-emulated' : 'benchmarks/results');
  spawnSync(findTool('device_check', context) as string, ['inputs', context.inputs]);
  const began = performance.now();
  const results: DeviceCheckResults = {
    format: 1,
    emulated: context.emulated,
    started: new Date().toISOString(),
    commit: commitOf(),
    device,
    node: process.version,
    seconds: 0,
    steps: [],
  };
  const file = join(folder, fileNameOf(results, options.steps));
  for (const step of chosen) {
    let result = await runStep(step, context);
    // In the rehearsal the peers compute nothing.
    if (step.name === 'peers' && !context.emulated)
      result = judgePeers(
        result,
        results.steps.find(({ name }) => name === 'times'),
      );
    results.steps.push(result);
    results.seconds = (performance.now() - began) / 1000;
    console.log(
      `${step.name}: ${result.status}${result.reason && `: ${result.reason}`} (${result.seconds.toFixed(1)} s)`,
    );
    write(file, results);
  }
  console.log(`\n${formatReport(results)}`);
  console.log(`Written to ${file}.json and .md, ${results.seconds.toFixed(0)} s`);
  return verdictOf(results).exitCode;
}

const options = program
  .name('npm run check:device --')
  .description('Checks and times the kernels on the NVIDIA card of this machine, within eight minutes.')
  .option('--emulated', 'rehearse on the emulated device: what needs a card is skipped, and no figure is a measurement')
  .option('--no-build', 'take what has been built')
  .option('--out <folder>', 'where the JSON file and the table go (default: benchmarks/results)')
  .option('--steps <pattern>', 'only steps whose name matches')
  .parse()
  .opts<Options>();

check(options).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    console.error((error as Error).message);
    process.exitCode = 1;
  },
);
