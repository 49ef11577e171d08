/**
 * Runs the fuzz targets: `npm run fuzz -- [target...] [--cases N | --seconds S] [--seed S]`, or one target with files
 * to run again. docs/robustness.md says what the targets check.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFolder, buildTargets, type CoreTarget } from './core/build';
import { fuzzTrie, replayTrie } from './trie/fuzz-trie';

const USAGE = `npm run fuzz -- [target...] [--cases N | --seconds S] [--seed S]
npm run fuzz -- target file...

targets: loss, top-tokens, core (both), trie; default: all
  --cases N     cases of each target (default 20000), after those of the corpus
  --seconds S   as long as this for each target, instead of a number of cases
  --seed S      what the cases are drawn by (default: the time)
files run again: a case that failed, or one of the corpus`;

const root = join(__dirname, '..', '..');
const targetNames = ['loss', 'top-tokens', 'trie'] as const;
type Target = (typeof targetNames)[number];

export interface Limits {
  cases: number;
  seconds: number;
  seed: number;
}

function targetsOf(name: string): Target[] {
  if (name === 'core') return ['loss', 'top-tokens'];
  return targetNames.filter((target) => target === name);
}

function runProgram(program: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0));
  });
}

const corpusOf = (target: CoreTarget) => join(root, 'test', 'fuzz', 'core', 'corpus', target);

function newestFile(folder: string): string | undefined {
  const files = readdirSync(folder).map((name) => join(folder, name));
  return files.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** Runs the committed corpus, then new cases. What reached new code stays in build/fuzz for the next run. */
async function fuzzCore(target: CoreTarget, program: string, { cases, seconds, seed }: Limits): Promise<boolean> {
  const [found, grown] = ['found', 'corpus'].map((folder) => join(buildFolder, folder, target)) as [string, string];
  for (const folder of [found, grown]) mkdirSync(folder, { recursive: true });
  const args = [
    `-seed=${seed}`,
    // Without a limit libFuzzer takes -1 cases, and 0 seconds.
    `-runs=${Number.isFinite(cases) ? cases : -1}`,
    `-max_total_time=${Number.isFinite(seconds) ? seconds : 0}`,
    `-artifact_prefix=${found}/`,
    // Cases are drawn, so that libFuzzer's book-keeping of rare counts takes four times the time of the cases.
    ...['-entropic=0', '-use_counters=0'],
    ...['-timeout=120', '-rss_limit_mb=4096', '-print_final_stats=1', '-print_funcs=0', '-verbosity=0'],
  ];
  const ok = await runProgram(program, [...args, grown, corpusOf(target)]);
  if (!ok) {
    console.log(`FAILED: ${target}. The case runs again by`);
    console.log(`  npm run fuzz -- ${target} ${relative(root, newestFile(found) ?? found)}`);
  }
  return ok;
}

async function fuzz(targets: readonly Target[], limits: Limits): Promise<boolean> {
  const core = targets.filter((target) => target !== 'trie');
  const programs = core.length > 0 ? await buildTargets(core) : new Map<CoreTarget, string>();
  let ok = true;
  for (const target of targets) {
    const started = performance.now();
    console.log(`fuzz ${target}: seed ${limits.seed}`);
    const passed =
      target === 'trie' ? fuzzTrie(limits) : await fuzzCore(target, programs.get(target) as string, limits);
    console.log(
      `fuzz ${target}: ${passed ? 'passed' : 'FAILED'} after ${Math.round((performance.now() - started) / 1000)} s`,
    );
    ok &&= passed;
  }
  return ok;
}

async function replay(target: Target, files: readonly string[]): Promise<boolean> {
  if (target === 'trie') return replayTrie(files);
  const programs = await buildTargets([target]);
  return runProgram(programs.get(target) as string, files);
}

function readNumber(value: string | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new Error(`--${name}: expected a positive integer, got ${value}`);
  return number;
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cases: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return true;
  }
  const named = positionals.filter((name) => targetsOf(name).length > 0);
  const files = positionals.filter((name) => targetsOf(name).length === 0);
  const targets =
    named.length > 0 ? targetNames.filter((target) => named.flatMap(targetsOf).includes(target)) : targetNames;
  if (files.length > 0) {
    if (targets.length !== 1) throw new Error(`expected one target before the files ${files.join(', ')}\n\n${USAGE}`);
    return replay(targets[0] as Target, files);
  }
  const seconds = readNumber(values.seconds, 'seconds');
  const cases = readNumber(values.cases, 'cases') ?? (seconds === undefined ? 20_000 : Number.POSITIVE_INFINITY);
  // libFuzzer takes a seed of 32 bits, and 0 for none.
  const seed = readNumber(values.seed, 'seed') ?? 1 + (Date.now() % 2 ** 31);
  return fuzz(targets, { cases, seconds: seconds ?? Number.POSITIVE_INFINITY, seed });
}

main().then(
  (ok) => {
    process.exitCode = ok ? 0 : 1;
  },
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
