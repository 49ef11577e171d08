import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { INSTRUCTION_SETS } from '../support/instruction-sets';
import { addonFile, findOnPath, readNativeSources, repositoryRoot, run } from './support.js';

interface CompileCommand {
  file: string;
  output: string;
  command: string;
}

const binaryTools = process.platform === 'linux' && findOnPath('nm') && findOnPath('readelf');
const describeBinary = binaryTools ? describe : describe.skip;
const sources = readNativeSources();
const buildFolder = join(repositoryRoot, 'build');

// Of the addon and of the benchmarks' one. Others are made of the same sources in another way: the emulated addon, the one
// whose memory runs out, and the check of a card.
const OTHER_TARGETS = ['fused_bear_loss_failing', 'fbl_device_check'].map((target) => `${target}.dir`);
const compileCommands = (
  JSON.parse(readFileSync(join(buildFolder, 'compile_commands.json'), 'utf8')) as CompileCommand[]
)
  .filter((command) => !objectOf(command).startsWith(join('test', 'emulator')))
  .filter((command) => !OTHER_TARGETS.some((target) => objectOf(command).includes(target)));
const hasCuda = compileCommands.some(({ file }) => file.endsWith('.cu'));
const rowKernelCommands = compileCommands.filter(({ file }) =>
  sources.rowKernel.sources.some((source) => file.endsWith(source)),
);

function instructionSetOf({ command }: CompileCommand): string {
  return /-DFBL_INSTRUCTION_SET=(\w+)/.exec(command)?.[1] ?? '';
}

interface DynamicSymbol {
  name: string;
  type: string;
}

function listSymbols(file: string, ...options: string[]): DynamicSymbol[] {
  const { stdout } = run('nm', ['--format=posix', ...options, file], { cwd: repositoryRoot });
  return stdout
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => ({ name: line.split(' ')[0] ?? '', type: line.split(' ')[1] ?? '' }));
}

describe('the cmake-js build', () => {
  it('compiles every source of the list once, and those of the kernels once an instruction set', () => {
    for (const source of sources.rowKernel.sources) {
      const commands = rowKernelCommands.filter(({ file }) => file.endsWith(source));
      expect(commands.map(instructionSetOf).sort()).toEqual([...INSTRUCTION_SETS].sort());
    }

    const benchmarks = existsSync(join(repositoryRoot, 'benchmarks', 'native')) ? sources.benchmark : [];
    const cuda = hasCuda ? [sources.cuda.kernelUnit, ...sources.cuda.host] : sources.cudaStub;
    const expected = [...sources.core, ...sources.threads, ...sources.cpu, ...cuda, ...sources.binding, ...benchmarks];
    const others = compileCommands.filter((command) => !rowKernelCommands.includes(command));
    expect(others.map(({ file }) => file).sort()).toEqual(expected.map((file) => join(repositoryRoot, file)).sort());
  });

  it('compiles the CUDA kernels in one unit that includes each of them', () => {
    const unit = readFileSync(join(repositoryRoot, sources.cuda.kernelUnit), 'utf8');
    const included = [...unit.matchAll(/#include "([^"]+)"/g)].map(([, file]) => file);
    expect(included.sort()).toEqual([...sources.cuda.kernels].sort());
  });
});

describeBinary(`compiled code${binaryTools ? '' : ' (needs Linux with nm and readelf)'}`, () => {
  // The linker keeps one copy of a weak function for the whole addon. Were it the AVX-512 one, every older processor would
  // crash in code that has nothing to do with the kernels. Those of an instruction set's own namespace its objects share.
  it.each(rowKernelCommands.map((command) => [basename(command.file), instructionSetOf(command), command] as const))(
    'of %s for %s defines symbols of its own namespace only',
    (_, instructionSet, command) => {
      const object = join(buildFolder, objectOf(command));
      const defined = listSymbols(object, '--defined-only').filter(({ type }) => /[A-Zuvw]/.test(type));
      expect(defined.length).toBeGreaterThan(0);
      const namespace = `15fused_bear_loss${instructionSet.length}${instructionSet}`;
      expect(defined.filter(({ name }) => !name.startsWith(`_ZN${namespace}`))).toEqual([]);
    },
  );

  // The same of the products by AMX, whose source says itself what it is compiled for.
  it('of tile_kernel.cc defines one symbol', () => {
    const command = compileCommands.find(({ file }) => file.endsWith('tile_kernel.cc')) as CompileCommand;
    const defined = listSymbols(join(buildFolder, objectOf(command)), '--defined-only');
    expect(defined.filter(({ type }) => /[A-Zuvw]/.test(type)).map(({ name }) => name)).toEqual([
      '_ZN15fused_bear_loss15amx_tile_kernelEv',
    ]);
  });

  it('exports the two entry points of Node-API and nothing else', () => {
    const exported = listSymbols(join(repositoryRoot, addonFile), '--dynamic', '--defined-only').map(
      ({ name }) => name,
    );
    expect(exported.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });

  it('needs the C library only, and stays loaded for its threads', () => {
    const { stdout } = run('readelf', ['--dynamic', '--wide', addonFile], { cwd: repositoryRoot });
    const needed = [...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1] ?? '');
    expect(needed.length).toBeGreaterThan(0);
    expect(
      needed.filter((library) => !/^(libc|libm|libpthread|libdl|librt|ld-linux.*)\.so\.\d+$/.test(library)),
    ).toEqual([]);
    expect(stdout).toMatch(/FLAGS_1.*NODELETE/);
  });
});

function objectOf({ command, output: listed }: CompileCommand): string {
  const output = listed || / -o (\S+)/.exec(command)?.[1];
  if (!output) throw new Error(`no output in the command that compiles a kernel: ${command}`);
  return output;
}
