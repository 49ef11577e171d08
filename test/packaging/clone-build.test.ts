import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  addonFile,
  copySources,
  findOnPath,
  linkCommands,
  makeTemporaryFolder,
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

  it('has an install script that succeeds and builds nothing', () => {
    const { stdout } = run('npm', ['run', 'install'], { cwd: clone, env });
    expect(stdout).toContain('npm run build');
    expect(existsSync(join(clone, 'build'))).toBe(false);
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
