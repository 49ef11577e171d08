// `fused-bear-loss build` in an application: from the tarball's sources into a cache folder.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { INSTRUCTION_SETS } from '../support/instruction-sets';
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

const fixtures = join(repositoryRoot, 'test', 'packaging', 'fixtures');

interface AnswersWithoutCuda {
  cuda: { built: boolean; available: boolean; reason: string; devices: unknown[] };
  /** What each call that needs a device threw; null: nothing. */
  refusals: Record<string, { name: string; code: string; argument: string; expected: string; message: string } | null>;
  untouched: boolean;
  loss: number;
}

interface Digests {
  instructionSet: string;
  digests: Record<string, string>;
}

let application: string;
let installed: string;
let cache: string;
let env: NodeJS.ProcessEnv;

beforeAll(() => {
  application = makeTemporaryFolder('installed');
  installed = installPackage(application);
  rmSync(join(installed, 'prebuilds'), { recursive: true, force: true });
  cache = join(application, 'cache');
  const { FUSED_BEAR_LOSS_PREBUILD: _, ...inherited } = process.env;
  env = { ...inherited, XDG_CACHE_HOME: cache };
});

afterAll(() => {
  makeWritable(installed, true);
  removeFolder(application);
});

function makeWritable(folder: string, writable: boolean): void {
  for (const name of ['.', ...listFiles(folder).map((file) => dirname(file))]) {
    chmodSync(join(folder, name), writable ? 0o755 : 0o555);
  }
}

function command(args: readonly string[], environment: NodeJS.ProcessEnv) {
  const file = join(installed, 'bin', 'fused-bear-loss.js');
  return spawnSync(process.execPath, [file, ...args], { cwd: application, env: environment, encoding: 'utf8' });
}

function computeDigests(cwd: string, environment: NodeJS.ProcessEnv): Digests {
  return JSON.parse(run('node', [join(fixtures, 'digest.cjs')], { cwd, env: environment }).stdout);
}

describe('an installed package without an addon', () => {
  it('says in three lines what a build needs and does not find', () => {
    const { status, stdout, stderr } = command(['build'], { PATH: '', XDG_CACHE_HOME: cache });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    const lines = stderr.trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe('fused-bear-loss build: CMake and a C++ compiler and make or Ninja not found on the PATH.');
    expect(existsSync(cache)).toBe(false);
  });

  it('says what the compiler said where a build stops, and leaves nothing', () => {
    const { status, stderr } = command(['build', '--no-cuda'], { ...env, CXX: '/bin/false' });
    expect(status).toBe(1);
    expect(stderr).toContain('CMake stopped with the error above');
    expect(listFiles(cache)).toEqual([]);
  });
});

describe('fused-bear-loss build', () => {
  let stdout: string;

  beforeAll(() => {
    makeWritable(installed, false);
    // An installed package has no Python and no npm to ask.
    const commands = join(application, 'commands');
    linkCommands(commands, [
      ...['cmake', 'ninja', 'make', 'c++', 'g++', 'cc', 'gcc', 'as', 'ld', 'ar', 'ranlib', 'nm', 'strip', 'objcopy'],
      ...['objdump', 'readelf', 'uname', 'sh', 'rm', 'ccache'],
    ]);
    const outcome = command(['build', '--no-cuda'], { ...env, PATH: commands, HOME: application });
    if (outcome.status !== 0) throw new Error(`${outcome.stdout}\n${outcome.stderr}`);
    stdout = outcome.stdout;
  });

  it('builds the addon into the cache folder, and leaves nothing else there', () => {
    const files = listFiles(cache);
    expect(files).toEqual([
      expect.stringMatching(/^fused-bear-loss\/\d+\.\d+\.\d+\/napi-v8-[\w-]+\/fused_bear_loss\.node$/),
    ]);
    expect(stdout.trim().split('\n').at(-1)).toBe(`fused-bear-loss build: wrote ${join(cache, files[0] as string)}`);
  });

  it('writes nothing into the package', () => {
    expect(existsSync(join(installed, 'build'))).toBe(false);
  });

  it.each(INSTRUCTION_SETS)('makes an addon that computes bit for bit what this clone does (%s)', (instructionSet) => {
    const chosen = { ...env, FUSED_BEAR_LOSS_INSTRUCTION_SET: instructionSet };
    const here = computeDigests(repositoryRoot, chosen);
    const there = computeDigests(application, chosen);
    expect(Object.keys(here.digests)).toHaveLength(24);
    // Distinct problems have distinct digests; a digest of nothing would not.
    expect(new Set(Object.values(here.digests)).size).toBe(24);
    expect(there).toEqual(here);
  });

  describe('--no-cuda makes an addon', () => {
    let answers: AnswersWithoutCuda;

    beforeAll(() => {
      answers = JSON.parse(run('node', [join(fixtures, 'ask-for-cuda.cjs')], { cwd: application, env }).stdout);
    });

    it('that says in capabilities() that this build has no CUDA, and how one is made', () => {
      const { reason, ...others } = answers.cuda;
      expect(others).toEqual({ built: false, available: false, devices: [] });
      expect(reason).toMatch(/no CUDA backend.*nvcc.*npx fused-bear-loss build/);
    });

    it('that refuses whatever needs a device, by a message that says the same', () => {
      expect(Object.keys(answers.refusals)).toHaveLength(10);
      for (const [call, refusal] of Object.entries(answers.refusals)) {
        expect({ call, ...refusal }).toEqual({
          call,
          name: 'RangeError',
          code: 'ERR_BEAR_CUDA_NOT_BUILT',
          argument: 'device',
          expected: "'cpu' or 'auto'",
          message: expect.stringContaining(answers.cuda.reason),
        });
      }
    });

    it("that leaves the caller's arrays as they were", () => {
      expect(answers.untouched).toBe(true);
    });

    it("that computes all the same where the device is 'auto'", () => {
      // Targets 2 and 0 of two rows of the same distribution: its logits are 1 apart.
      const ofLargest = Math.log(1 + Math.exp(-1) + Math.exp(-2));
      expect(answers.loss).toBeCloseTo((ofLargest + (ofLargest + 2)) / 2, 6);
    });
  });

  it('serves its own version of the package only', () => {
    const folder = join(cache, 'fused-bear-loss');
    const [version] = readdirSync(folder) as [string];
    const script = "try { require('fused-bear-loss').capabilities() } catch (error) { console.log(error.code) }";
    renameSync(join(folder, version), join(folder, '999.0.0'));
    const { stdout: code } = run('node', ['-e', script], {
      cwd: application,
      env: { ...env, FUSED_BEAR_LOSS_BACKEND: 'native' },
    });
    renameSync(join(folder, '999.0.0'), join(folder, version));
    expect(code).toBe('ERR_BEAR_ADDON_NOT_FOUND\n');
  });

  it('makes an addon that loads in an application without a compiler on the PATH', () => {
    const script = "process.stdout.write(require('fused-bear-loss').capabilities().version)";
    const { status, stdout: version } = spawnSync(process.execPath, ['-e', script], {
      cwd: application,
      env: { PATH: '', XDG_CACHE_HOME: cache },
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('is for installed packages: in a clone it says what is', () => {
    expect(findOnPath('cmake')).toBeDefined();
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(repositoryRoot, 'bin', 'fused-bear-loss.js'), 'build'],
      {
        encoding: 'utf8',
      },
    );
    expect(status).toBe(1);
    expect(stderr).toContain('this is a clone: run `npm run build`');
  });
});
