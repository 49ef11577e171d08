import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INSTRUCTION_SETS } from '../support/instruction-sets';
import {
  addonFile,
  copySources,
  findOnPath,
  linkCommands,
  listFiles,
  makeTemporaryFolder,
  nodeHeadersPrefix,
  readNativeSources,
  removeFolder,
  repositoryRoot,
  run,
} from './support.js';

// What the README asks a machine to have, and what these call in turn. No Python, in any spelling.
const commands = [
  ...['node', 'npm', 'cmake', 'ninja', 'make', 'c++', 'g++', 'cc', 'gcc', 'clang++', 'clang'],
  ...['as', 'ld', 'ar', 'ranlib', 'nm', 'strip', 'objcopy', 'objdump', 'readelf', 'uname'],
  ...['sh', 'env', 'rm', 'mkdir', 'cp', 'touch'],
];

describe('a clone on a machine without Python', () => {
  let folder: string;
  let clone: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(() => {
    folder = makeTemporaryFolder('clone');
    clone = join(folder, 'clone');
    mkdirSync(clone);
    copySources(clone);
    symlinkSync(join(repositoryRoot, 'node_modules'), join(clone, 'node_modules'));
    linkCommands(join(folder, 'commands'), commands);
    const home = join(folder, 'home');
    mkdirSync(home);
    // Nothing else of this environment: no npm settings, no proxy, no compiler flags.
    env = { PATH: join(folder, 'commands'), HOME: home, npm_config_update_notifier: 'false' };
  });

  afterAll(() => removeFolder(folder));

  it('sees no Python', () => {
    expect(findOnPath('python3', env.PATH)).toBeUndefined();
    expect(findOnPath('python', env.PATH)).toBeUndefined();
  });

  // npm runs `node-gyp rebuild` by itself where it sees binding.gyp; "gypfile": false stops it.
  it('runs nothing at install', () => {
    const folderOfInstall = join(folder, 'install');
    mkdirSync(folderOfInstall);
    for (const name of ['binding.gyp', 'native']) symlinkSync(join(clone, name), join(folderOfInstall, name));
    const {
      devDependencies: _,
      peerDependencies: __,
      workspaces: ___,
      ...bare
    } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));
    writeFileSync(join(folderOfInstall, 'package.json'), JSON.stringify(bare));
    const { stdout } = run('npm', ['install', '--offline', '--foreground-scripts'], { cwd: folderOfInstall, env });
    expect(stdout).not.toMatch(/^>/m);
    expect(existsSync(join(folderOfInstall, 'build'))).toBe(false);
  });

  it('builds with cmake-js, downloads nothing, and computes a loss', () => {
    run('npm', ['run', 'build'], { cwd: clone, env });
    expect(existsSync(join(clone, addonFile))).toBe(true);
    // Where cmake-js keeps the Node headers that it downloads when `binary.napi_versions` is missing.
    expect(existsSync(join(folder, 'home', '.cmake-js'))).toBe(false);

    const { stdout } = run('node', [join(clone, 'test', 'packaging', 'fixtures', 'first-loss.cjs')], {
      cwd: clone,
      env,
    });
    const { loss, gradLogits } = JSON.parse(stdout) as { loss: number; gradLogits: number[] };
    const exponentials = [1, 2, 3, 4].map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b);
    expect(loss).toBeCloseTo(Math.log(sum) - 3, 6);
    exponentials.forEach((exponential, token) => {
      expect(gradLogits[token]).toBeCloseTo(exponential / sum - (token === 2 ? 1 : 0), 6);
    });
  });

  it('refuses to write a sanitized addon where it would be loaded', () => {
    const args = ['cmake-js', 'configure', '--CDFBL_SANITIZE=address'];
    const { status, stdout, stderr } = spawnSync('npm', ['exec', '--offline', '--', ...args], {
      cwd: clone,
      env,
      encoding: 'utf8',
    });
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain('npm run build:asan');
  });
});

const headers = nodeHeadersPrefix();
const python = findOnPath('python3') ?? findOnPath('python');
const missing = [!headers && 'Node headers beside node', !python && 'Python'].filter(Boolean).join(' and ');

(missing ? describe.skip : describe)(`a clone built by node-gyp${missing && ` (needs ${missing})`}`, () => {
  let clone: string;

  beforeAll(() => {
    clone = makeTemporaryFolder('node-gyp');
    copySources(clone);
    symlinkSync(join(repositoryRoot, 'node_modules'), join(clone, 'node_modules'));
    symlinkSync(join(repositoryRoot, 'dist'), join(clone, 'dist'));
    // npm brings its node-gyp with it.
    const command = ['exec', '--offline', '-c', `node-gyp rebuild --nodedir=${headers}`];
    run('npm', command, { cwd: clone });
  });

  afterAll(() => removeFolder(clone));

  it('compiles every source of the list once, and those of the kernels once an instruction set', () => {
    const { core, threads, cpu, cudaStub, binding, rowKernel } = readNativeSources();
    const expected = [...core, ...threads, ...cpu, ...cudaStub, ...binding]
      .map((source) => join('fused_bear_loss', source))
      .concat(INSTRUCTION_SETS.flatMap((name) => rowKernel.sources.map((source) => join(`row_kernel_${name}`, source))))
      .map((source) => source.replace(/\.cc$/, '.o'));
    const objects = listFiles(join(clone, 'build', 'Release', 'obj.target')).filter((file) => file.endsWith('.o'));
    expect(objects.sort()).toEqual(expected.sort());
  });

  it.each(INSTRUCTION_SETS)('computes bit for bit what the cmake-js build computes (%s)', (instructionSet) => {
    const digests = (root: string) => {
      const env = { ...process.env, FUSED_BEAR_LOSS_PREBUILD: root, FUSED_BEAR_LOSS_INSTRUCTION_SET: instructionSet };
      const program = join(repositoryRoot, 'test', 'packaging', 'fixtures', 'digest.cjs');
      return JSON.parse(run('node', [program], { cwd: repositoryRoot, env }).stdout);
    };
    const here = digests(repositoryRoot);
    expect(new Set(Object.values(here.digests)).size).toBe(24);
    expect(digests(clone)).toEqual(here);
  });
});
