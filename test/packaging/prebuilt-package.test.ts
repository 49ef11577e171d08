// What a user gets who has no compiler: the tarball with the prebuilt addon inside, installed and run.
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  findOnPath,
  installPackage,
  linkCommands,
  listFiles,
  makeTemporaryFolder,
  removeFolder,
  repositoryRoot,
  run,
} from './support.js';

const MEGABYTE = 1e6;
const prebuildsFolder = join(repositoryRoot, 'prebuilds', `${process.platform}-${process.arch}`);

/** The newest change among what the addon is made from. */
function newestSource(): number {
  const sources = listFiles(join(repositoryRoot, 'native')).map((file) => join('native', file));
  return Math.max(...[...sources, 'CMakeLists.txt'].map((file) => statSync(join(repositoryRoot, file)).mtimeMs));
}

function prebuiltAddons(): string[] {
  if (!existsSync(prebuildsFolder)) return [];
  return readdirSync(prebuildsFolder).map((name) => join(prebuildsFolder, name));
}

/** A prebuild takes minutes, so one that is newer than every source serves. */
function makePrebuild(): string {
  const isCurrent = prebuiltAddons().some((file) => statSync(file).mtimeMs > newestSource());
  if (!isCurrent) {
    const env = { ...process.env, ...(findOnPath('nvcc') ? {} : { FBL_CUDA: 'OFF' }) };
    run('npm', ['run', 'prebuild'], { cwd: repositoryRoot, env });
  }
  const addons = prebuiltAddons();
  expect(addons).toHaveLength(1);
  return addons[0] as string;
}

interface Version {
  name: string;
  version: number[];
}

/** The newest version of each symbol family (GLIBC, GLIBCXX, ...) that the addon asks its system for. */
function neededVersions(addon: string): Record<string, string> {
  const { stdout } = run('readelf', ['--version-info', '--wide', addon], { cwd: repositoryRoot });
  const versions = [...stdout.matchAll(/Name: ([A-Z]+)_(\d+(?:\.\d+)*)/g)].map(
    (match): Version => ({ name: match[1] ?? '', version: (match[2] ?? '').split('.').map(Number) }),
  );
  const newest: Record<string, string> = {};
  for (const { name, version } of versions.sort((a, b) => compareVersions(a.version, b.version))) {
    newest[name] = version.join('.');
  }
  return newest;
}

function compareVersions(a: number[], b: number[]): number {
  const difference = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => (a[i] ?? 0) - (b[i] ?? 0));
  return difference.find((each) => each !== 0) ?? 0;
}

const isLinux = process.platform === 'linux';

(isLinux ? describe : describe.skip)(`the packed package${isLinux ? '' : ' (prebuilt for Linux only)'}`, () => {
  let addon: string;

  beforeAll(() => {
    addon = makePrebuild();
  });

  it('holds one addon for this platform, named as node-gyp-build looks for it', () => {
    expect(addon).toMatch(/fused-bear-loss\.(glibc|musl)\.node$/);
  });

  it('holds an addon of less than 3.5 MB', () => {
    expect(statSync(addon).size).toBeLessThan(3.5 * MEGABYTE);
  });

  const needsReadelf = findOnPath('readelf') ? it : it.skip;

  // glibc 2.34 is that of RHEL 9, Debian 12 and Ubuntu 22.04; the C++ library is linked in.
  needsReadelf('needs no newer system than the README says', () => {
    const { GLIBC, ...others } = neededVersions(addon);
    const [, stated] = /glibc (\d+\.\d+) or later/.exec(readFileSync(join(repositoryRoot, 'README.md'), 'utf8')) ?? [];
    const numbers = (version?: string) => (version ?? '').split('.').map(Number);
    expect({ GLIBC, stated }).toEqual({ GLIBC: expect.any(String), stated: '2.34' });
    expect(compareVersions(numbers(GLIBC), numbers(stated))).toBeLessThanOrEqual(0);
    expect(others).toEqual({});
  });

  needsReadelf('needs the C library only', () => {
    const { stdout } = run('readelf', ['--dynamic', '--wide', addon], { cwd: repositoryRoot });
    const needed = [...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1] ?? '');
    expect(needed.length).toBeGreaterThan(0);
    expect(
      needed.filter((library) => !/^(libc|libm|libpthread|libdl|librt|ld-linux.*)\.so\.\d+$/.test(library)),
    ).toEqual([]);
  });

  describe.each([
    ['with install scripts', []],
    ['with --ignore-scripts', ['--ignore-scripts']],
  ])('installed %s where there is no compiler', (_, npmArguments) => {
    let application: string;
    let env: NodeJS.ProcessEnv;

    beforeAll(() => {
      application = makeTemporaryFolder('prebuilt');
      const commands = join(application, 'commands');
      linkCommands(commands, ['node', 'npm', 'sh', 'env']);
      env = { PATH: commands, HOME: application, npm_config_update_notifier: 'false' };
      expect(['cc', 'gcc', 'g++', 'make', 'python3', 'nvcc'].filter((name) => findOnPath(name, commands))).toEqual([]);
      installPackage(application, npmArguments, env);
    });

    afterAll(() => removeFolder(application));

    it('was not built there', () => {
      const installed = join(application, 'node_modules', 'fused-bear-loss');
      expect(existsSync(join(installed, 'build'))).toBe(false);
      expect(existsSync(join(installed, 'prebuilds'))).toBe(true);
    });

    it.each(['quickstart.cjs', 'quickstart.mjs'])('runs %s with the prebuilt addon', (program) => {
      copyFileSync(join(repositoryRoot, 'examples', program), join(application, program));
      const { stdout } = run('node', [program], { cwd: application, env: { ...env, PREBUILDS_ONLY: '1' } });
      const here = run('node', [join('examples', program)], { cwd: repositoryRoot });
      expect(stdout).not.toBe('');
      expect(stdout).toBe(here.stdout);
    });
  });
});
