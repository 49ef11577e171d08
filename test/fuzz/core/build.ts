/** Builds the fuzz targets of the core: the native sources with clang's sanitizers and libFuzzer. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..', '..');
export const buildFolder = join(root, 'build', 'fuzz');

interface Sources {
  core: string[];
  threads: string[];
  cpu: string[];
  rowKernel: { sources: string[]; instructionSets: Record<string, string[]> };
  compileFlags: string[];
  defines: string[];
  fuzz: { sanitizerFlags: string[]; shared: string[]; targets: Record<CoreTarget, string[]> };
}
export type CoreTarget = 'loss' | 'top-tokens';

/** The fuzz targets choose the kernels case by case; this one chooses them once a process. */
const replaced = 'native/cpu/instruction_set.cc';

interface Unit {
  source: string;
  object: string;
  flags: string[];
}

class CompilerError extends Error {}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new CompilerError(`${program} ${args.join(' ')}\n${output}`));
    });
  });
}

const readSources = (): Sources => JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'));

function unitsOf(sources: Sources, target: CoreTarget): Unit[] {
  const { fuzz, rowKernel } = sources;
  const isX86 = process.arch === 'x64';
  const common = [
    ...sources.compileFlags.filter((flag) => flag !== '-O3'),
    ...sources.defines.map((define) => `-D${define}`),
    ...(isX86 ? ['-DFBL_HAVE_X86_INSTRUCTION_SETS=1'] : []),
    ...['-I', '.'],
    ...(process.env.FUZZ_FLAGS?.split(' ') ?? []),
  ];
  const unit = (source: string, flags: string[], suffix = ''): Unit => ({
    source,
    object: join(buildFolder, `${source.replaceAll('/', '_')}${suffix}.o`),
    flags: [...common, ...flags],
  });
  // libFuzzer looks for new code in what is tested, not in the tests, which are to be fast.
  const harness = [
    '-O2',
    '-g1',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all',
  ];
  const instructionSets = Object.entries(rowKernel.instructionSets).filter(
    ([name]) => name === 'baseline' || isX86 === (name !== 'neon'),
  );
  return [
    // The kernels take the longest.
    ...instructionSets.flatMap(([name, flags]) =>
      rowKernel.sources.map((source) =>
        unit(source, [...fuzz.sanitizerFlags, `-DFBL_INSTRUCTION_SET=${name}`, ...flags], `.${name}`),
      ),
    ),
    ...[...sources.core, ...sources.threads, ...sources.cpu]
      .filter((source) => source !== replaced)
      .map((source) => unit(source, fuzz.sanitizerFlags)),
    ...[...fuzz.shared, ...fuzz.targets[target]].map((source) => unit(source, harness)),
  ];
}

/** The compiler, and before it what caches its work, where the environment names that as CMake takes it. */
function compilerCommand(): [string, string[]] {
  const compiler = process.env.FUZZ_CXX ?? 'clang++';
  const launcher = process.env.CMAKE_CXX_COMPILER_LAUNCHER;
  return launcher ? [launcher, [compiler]] : [compiler, []];
}

/** Builds the targets and returns the program of each. Throws `CompilerError`, or `ENOENT` where there is no clang. */
export async function buildTargets(targets: readonly CoreTarget[]): Promise<Map<CoreTarget, string>> {
  mkdirSync(buildFolder, { recursive: true });
  const sources = readSources();
  const units = new Map(targets.map((target) => [target, unitsOf(sources, target)]));
  const queue = [...new Map([...units.values()].flat().map((unit) => [unit.object, unit])).values()];
  const [program, before] = compilerCommand();
  const worker = async () => {
    for (let unit = queue.shift(); unit !== undefined; unit = queue.shift()) {
      await run(program, [...before, ...unit.flags, '-c', unit.source, '-o', unit.object]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  const programs = new Map<CoreTarget, string>();
  for (const [target, ofTarget] of units) {
    const linked = join(buildFolder, `fuzz-${target}`);
    const objects = ofTarget.map(({ object }) => object);
    const flags = ['-fsanitize=fuzzer,address,undefined', '-pthread', ...(process.env.FUZZ_FLAGS?.split(' ') ?? [])];
    await run(process.env.FUZZ_CXX ?? 'clang++', [...flags, ...objects, '-o', linked]);
    programs.set(target, linked);
  }
  return programs;
}
