// npm run check:device: are the kernels right on this card, how far are they from its own limits, and what holds them back?
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { program } from 'commander';
import { build } from './builds';
import { judgePeers } from './peer-losses';
import { ofKind, readCommitFile } from './records';
import { formatReport } from './report';
import { type DeviceCheckResults, verdictOf } from './results';
import { findTool, runStep } from './run-step';
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

/** Why nothing can be checked at all; undefined where there is a device. */
function whyNoDevice(context: Context): string | undefined {
  const deviceCheck = findTool('device_check', context);
  if (deviceCheck === undefined) return 'device_check is not built: it takes nvcc, and npm run build:device-check';
  const { status, stdout } = spawnSync(deviceCheck, ['limits'], { encoding: 'utf8' });
  return status === 2 ? stdout.trim() : undefined;
}

function write(folder: string, results: DeviceCheckResults): string {
  const device = ofKind(
    results.steps.flatMap(({ records }) => records),
    'device',
  )[0];
  const card = (device?.name ?? 'no device').toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const file = join(folder, `${card}-${results.started.slice(0, 10)}-${results.commit.slice(0, 12)}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${file}.md`, formatReport(results));
  return file;
}

async function check(options: Options): Promise<number> {
  const emulated = options.emulated ?? false;
  if (options.build && !isUnpacked) build(emulated ? 'rehearsal' : 'check', root);
  const scratch = mkdtempSync(join(tmpdir(), 'fused-bear-loss-check-'));
  const context: Context = { emulated, root, inputs: join(scratch, 'inputs.bin') };
  try {
    const reason = whyNoDevice(context);
    if (reason !== undefined) {
      console.error(reason);
      return 2;
    }
    return await runAll(context, options);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function runAll(context: Context, options: Options): Promise<number> {
  const pattern = new RegExp(options.steps ?? '');
  const folder = options.out ?? join(root, context.emulated ? 'build/device-check-emulated' : 'benchmarks/results');
  spawnSync(findTool('device_check', context) as string, ['inputs', context.inputs]);
  const began = performance.now();
  const results: DeviceCheckResults = {
    format: 1,
    emulated: context.emulated,
    started: new Date().toISOString(),
    commit: commitOf(),
    node: process.version,
    seconds: 0,
    steps: [],
  };
  let file = '';
  for (const step of steps.filter(({ name }) => pattern.test(name))) {
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
    file = write(folder, results);
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
