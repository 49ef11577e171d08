/**
 * The mutation run: does the emulator with its small cases find each barrier, mask and bound of the kernels that is
 * removed, and with its host cases each wait, order and decision of the code around them? Mutants that survive stand in
 * survivors.json with the reason why; any other survivor, and any listed one that is found after all, fails. `npm run test:mutation`, with a pattern to run the mutants of some lines alone, and with
 * `--sample` to run as many of them, drawn by `--seed`. The last lines say how many were not judged.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../../support/random';
import { isHostCode, type Mutant, mutatedSource, nameOf } from './mutants';
import {
  hostFiles,
  kernelsFolder as kernels,
  listedSurvivors,
  mutantsOfHost,
  mutantsOfKernels,
  staleSurvivors,
} from './survivors';

const root = join(__dirname, '..', '..', '..');
const build = join(root, 'build', 'mutation');
// The native sources and headers as they were when the run began: one may go on editing.
const snapshot = join(build, 'snapshot');
const compiler = process.env.CXX ?? 'g++';
// A run without a mutant takes seconds. Who works longer works for ever. Of the processor's time: the machine may be busy.
const processorSeconds = 60;

type DType = 'float32' | 'bfloat16';
const rowKernels: Record<DType | 'float16', string> = {
  float32: `${kernels}/row_kernels_f32.cu`,
  bfloat16: `${kernels}/row_kernels_bf16.cu`,
  float16: `${kernels}/row_kernels_f16.cu`,
};

interface Sources {
  core: string[];
  threads: string[];
  cpu: string[];
  rowKernel: { sources: string[] };
  cuda: { kernels: string[]; host: string[] };
  emulator: { simt: string[]; runtime: string[]; instrumentationFlags: string[] };
  deviceCheck: { smallCases: string[] };
}
const sources: Sources = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'));

const commonFlags = [
  ...['-std=c++17', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math', '-DNDEBUG', '-w'],
  ...['-DFBL_INSTRUCTION_SET=baseline', '-I', snapshot, '-I', 'test/emulator/shim', '-I', '.'],
];
const kernelFlags = [...sources.emulator.instrumentationFlags, '-x', 'c++'];

function run(program: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ok: code === 0, output: signal ? `${signal}\n${output}` : output }));
  });
}

/** Also ends a program that has used up its time. */
const runWithinLimit = (program: string, args: readonly string[]) =>
  run('sh', ['-c', `ulimit -t ${processorSeconds}; exec "$0" "$@"`, program, ...args]);

async function mustRun(program: string, args: readonly string[]): Promise<string> {
  const { ok, output } = await run(program, args);
  if (!ok) throw new Error(`${program} ${args.join(' ')}\n${output}`);
  return output;
}

/** Calls `task` for all items, as many at a time as there are processors. */
async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await task(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

const objectOf = (folder: string, source: string) => join(folder, `${source.replaceAll('/', '_')}.o`);

/** `overlay` holds a file that stands before that of the snapshot. */
const compileKernel = (source: string, object: string, overlay = snapshot) => {
  const file = existsSync(join(overlay, source)) ? overlay : snapshot;
  return run(compiler, ['-I', overlay, ...commonFlags, ...kernelFlags, '-c', join(file, source), '-o', object]);
};

/** The programs' own sources. */
const programs = {
  kernels: ['test/emulator/mutation/run_small_cases.cc'],
  host: ['host_case', 'plan_cases', 'run_host_cases'].map((name) => `test/emulator/mutation/${name}.cc`),
};
const ownObjects = (program: keyof typeof programs) => programs[program].map((source) => objectOf(build, source));

// All that the host code includes, compiled once: half of what a file takes.
const hostHeader = join(build, 'host.h');
const hostFlags = [...commonFlags, '-O1', '-D_GLIBCXX_ASSERTIONS'];
const compileHost = (source: string, object: string) =>
  run(compiler, [...hostFlags, '-include', hostHeader, '-c', source, '-o', object]);

async function precompileHostHeader(): Promise<void> {
  const includes = hostFiles.flatMap(
    (file) => readFileSync(join(snapshot, file), 'utf8').match(/^#include .*/gm) ?? [],
  );
  writeFileSync(hostHeader, `${[...new Set(includes)].join('\n')}\n`);
  await mustRun(compiler, [...hostFlags, '-x', 'c++-header', hostHeader, '-o', `${hostHeader}.gch`]);
}

interface Baseline {
  objects: string[]; // of all but the kernels and the programs' own sources
  dependents: Map<string, string[]>; // the kernels' sources that include a file
}

async function buildBaseline(): Promise<Baseline> {
  const host = [
    ...[...sources.core, ...sources.threads, ...sources.cpu, ...sources.rowKernel.sources],
    ...sources.cuda.host,
    ...[...sources.emulator.simt, ...sources.emulator.runtime],
    ...sources.deviceCheck.smallCases,
  ];
  await inParallel([...host, ...Object.values(programs).flat()], async (source) => {
    const file = source.startsWith('native/') ? join(snapshot, source) : source;
    await mustRun(compiler, [...commonFlags, '-O2', '-c', file, '-o', objectOf(build, source)]);
  });
  await precompileHostHeader();
  const dependents = new Map<string, string[]>();
  await inParallel(sources.cuda.kernels, async (source) => {
    const { ok, output } = await compileKernel(source, objectOf(build, source));
    if (!ok) throw new Error(output);
    const rule = await mustRun(compiler, [...commonFlags, '-x', 'c++', '-MM', join(snapshot, source)]);
    for (const [file] of rule.matchAll(/native\/cuda\/kernels\/[\w.]+/g)) {
      dependents.set(file, [...new Set([...(dependents.get(file) ?? []), source])]);
    }
  });
  return { objects: host.map((source) => objectOf(build, source)), dependents };
}

async function link(program: string, objects: readonly string[]): Promise<void> {
  await mustRun(compiler, ['-pthread', ...objects, '-o', program]);
}

/** Compiles what the mutant changes for one dtype, and runs its cases. Null: nothing was found. */
async function verdictIn(dtype: DType, mutant: Mutant, folder: string, baseline: Baseline): Promise<string | null> {
  const dependents = baseline.dependents.get(mutant.file) ?? [];
  const objects = [...baseline.objects, ...ownObjects('kernels')];
  for (const source of sources.cuda.kernels) {
    const ofOtherDType = Object.values(rowKernels).includes(source) && source !== rowKernels[dtype];
    const anew = dependents.includes(source) && !ofOtherDType;
    const object = objectOf(anew ? folder : build, source);
    objects.push(object);
    if (!anew || existsSync(object)) continue;
    const { ok, output } = await compileKernel(source, object, folder);
    if (!ok) return `does not compile: ${output.split('\n')[0]}`;
  }
  const program = join(folder, 'run_small_cases');
  await link(program, objects);
  const { ok, output } = await runWithinLimit(program, [dtype]);
  return ok ? null : (output.trim().split('\n')[0] ?? 'ended without a word');
}

/** The same for a file of host code. */
async function verdictOfHost(mutant: Mutant, folder: string, baseline: Baseline): Promise<string | null> {
  const anew = objectOf(folder, mutant.file);
  const { ok: compiles, output: errors } = await compileHost(join(folder, mutant.file), anew);
  if (!compiles) return `does not compile: ${errors.split('\n')[0]}`;
  const former = objectOf(build, mutant.file);
  const program = join(folder, 'run_host_cases');
  await link(program, [
    ...baseline.objects.map((object) => (object === former ? anew : object)),
    ...sources.cuda.kernels.map((source) => objectOf(build, source)),
    ...ownObjects('host'),
  ]);
  const { ok, output } = await runWithinLimit(program, []);
  return ok ? null : (output.trim().split('\n')[0] ?? 'ended without a word');
}

async function verdictOn(mutant: Mutant, index: number, baseline: Baseline): Promise<string | null> {
  const folder = join(build, `mutant-${index}`);
  const overlaid = join(folder, mutant.file);
  mkdirSync(dirname(overlaid), { recursive: true });
  writeFileSync(overlaid, mutatedSource(readFileSync(join(snapshot, mutant.file), 'utf8'), mutant));
  try {
    if (isHostCode(mutant.file)) return await verdictOfHost(mutant, folder, baseline);
    // float32 finds nearly all; the vectors of bfloat16 are longer.
    return (
      (await verdictIn('float32', mutant, folder, baseline)) ?? (await verdictIn('bfloat16', mutant, folder, baseline))
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `count` of the mutants, the same ones for the same seed and the same kernels, in their order. */
function sampleOf(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const random = new SeededRandom(seed);
  const left = [...mutants];
  while (left.length > count) left.splice(random.integer(left.length), 1);
  return left;
}

interface Selection {
  /** Of the mutants' names; undefined: all. */
  pattern: string | undefined;
  /** Infinity: all. */
  sample: number;
  seed: number;
}

/** The mutants that were judged otherwise than the list says. */
interface Surprises {
  unlisted: Mutant[];
  foundAfterAll: Mutant[];
}

async function judge(mutants: readonly Mutant[], all: readonly Mutant[], baseline: Baseline): Promise<Surprises> {
  const surprises: Surprises = { unlisted: [], foundAfterAll: [] };
  let done = 0;
  await inParallel(mutants, async (mutant) => {
    // Numbered among all, so that a compiler cache knows a mutant again in another run.
    const verdict = await verdictOn(mutant, all.indexOf(mutant), baseline);
    const isListed = listedSurvivors.has(nameOf(mutant));
    if (verdict === null && !isListed) surprises.unlisted.push(mutant);
    if (verdict !== null && isListed) surprises.foundAfterAll.push(mutant);
    const outcome = verdict ?? (isListed ? 'SURVIVES, as listed' : 'SURVIVES');
    console.log(`${++done}/${mutants.length} ${mutant.file}:${mutant.line} ${mutant.after}\n    ${outcome}`);
  });
  return surprises;
}

async function main({ pattern, sample, seed }: Selection): Promise<void> {
  rmSync(build, { recursive: true, force: true });
  cpSync(join(root, 'native'), join(snapshot, 'native'), { recursive: true });
  const all = [...mutantsOfKernels(snapshot), ...mutantsOfHost(snapshot)];
  const stale = staleSurvivors(all);
  for (const name of stale) console.log(`listed as a survivor, but no mutant any more: ${name}`);
  const candidates = all.filter((mutant) => pattern === undefined || new RegExp(pattern).test(nameOf(mutant)));
  const isSample = Number.isFinite(sample);
  const mutants = sampleOf(candidates, sample, seed);
  console.log(`${mutants.length} of ${all.length} mutants${isSample ? `, drawn by seed ${seed}` : ''}`);

  const baseline = await buildBaseline();
  const kernelObjects = sources.cuda.kernels.map((source) => objectOf(build, source));
  const program = join(build, 'run_small_cases');
  await link(program, [...baseline.objects, ...kernelObjects, ...ownObjects('kernels')]);
  const hostProgram = join(build, 'run_host_cases');
  await link(hostProgram, [...baseline.objects, ...kernelObjects, ...ownObjects('host')]);
  const areKernels = mutants.some(({ file }) => !isHostCode(file));
  for (const dtype of areKernels ? ['float32', 'bfloat16'] : []) {
    console.log(`without a mutant, ${dtype}: ${(await mustRun(program, [dtype])).trim()}`);
  }
  if (mutants.some(({ file }) => isHostCode(file))) {
    console.log(`without a mutant, host code: ${(await mustRun(hostProgram, [])).trim()}`);
  }
  const { unlisted, foundAfterAll } = await judge(mutants, all, baseline);

  const listed = mutants.filter((mutant) => listedSurvivors.has(nameOf(mutant))).length - foundAfterAll.length;
  console.log(`\n${mutants.length - listed - unlisted.length} found, ${listed} survive as listed`);
  const left = all.length - mutants.length;
  if (left > 0)
    console.log(
      `NOT JUDGED: ${left} of ${all.length} mutants, ${all.filter((each) => isHostCode(each.file) && !mutants.includes(each)).length} of them of host code`,
    );
  for (const mutant of foundAfterAll) console.log(`listed as a survivor, but found: ${nameOf(mutant)}`);
  for (const mutant of unlisted) console.log(`survives: ${nameOf(mutant)}`);
  writeFileSync(join(build, 'unlisted.json'), `${JSON.stringify(unlisted, null, 2)}\n`);
  if (unlisted.length + foundAfterAll.length + stale.length > 0) process.exitCode = 1;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sample: { type: 'string', default: 'Infinity' }, seed: { type: 'string', default: '1' } },
});
void main({ pattern: positionals[0], sample: Number(values.sample), seed: Number(values.seed) });
