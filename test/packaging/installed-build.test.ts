import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  addonFile,
  findOnPath,
  installPackage,
  listFiles,
  makeTemporaryFolder,
  nodeHeadersPrefix,
  readNativeSources,
  removeFolder,
  repositoryRoot,
  run,
} from './support.js';

const headers = nodeHeadersPrefix();
const python = findOnPath('python3') ?? findOnPath('python');
const missing = [!headers && 'Node headers beside node', !python && 'Python'].filter(Boolean).join(' and ');

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

function computeDigests(cwd: string, instructionSet: string): Digests {
  const env = { ...process.env, FUSED_BEAR_LOSS_INSTRUCTION_SET: instructionSet };
  return JSON.parse(run('node', [join(fixtures, 'digest.cjs')], { cwd, env }).stdout);
}

(missing ? describe.skip : describe)(
  `the node-gyp build of the installed package${missing && ` (needs ${missing})`}`,
  () => {
    let application: string;
    let installed: string;

    beforeAll(() => {
      application = makeTemporaryFolder('installed');
      const { FUSED_BEAR_LOSS_PREBUILD: _, PREBUILDS_ONLY: __, ...inherited } = process.env;
      installed = installPackage(application, ['--foreground-scripts'], {
        ...inherited,
        npm_config_nodedir: headers,
        npm_config_build_from_source: 'true', // also where a prebuilt addon is in the package
      });
    });

    afterAll(() => removeFolder(application));

    it('was made by the install script', () => {
      expect(existsSync(join(installed, addonFile))).toBe(true);
      expect(existsSync(join(installed, 'CMakeCache.txt'))).toBe(false);
    });

    it('compiled every source of the list once, and those of the kernels once an instruction set', () => {
      const { core, threads, cpu, cudaStub, binding, rowKernel } = readNativeSources();
      const instructionSets = process.arch === 'x64' ? Object.keys(rowKernel.instructionSets) : ['baseline'];
      const expected = [...core, ...threads, ...cpu, ...cudaStub, ...binding]
        .map((source) => join('fused_bear_loss', source))
        .concat(
          instructionSets.flatMap((name) => rowKernel.sources.map((source) => join(`row_kernel_${name}`, source))),
        )
        .map((source) => source.replace(/\.cc$/, '.o'));
      const objects = listFiles(join(installed, 'build', 'Release', 'obj.target')).filter((file) =>
        file.endsWith('.o'),
      );
      expect(objects.sort()).toEqual(expected.sort());
    });

    it.each(['baseline', 'avx2', 'avx512'])(
      'computes bit for bit what the cmake-js build computes (%s)',
      (instructionSet) => {
        const here = computeDigests(repositoryRoot, instructionSet);
        const there = computeDigests(application, instructionSet);
        expect(Object.keys(here.digests)).toHaveLength(24);
        // Distinct problems have distinct digests; a digest of nothing would not.
        expect(new Set(Object.values(here.digests)).size).toBe(24);
        expect(there).toEqual(here);
      },
    );

    describe('has no CUDA', () => {
      let answers: AnswersWithoutCuda;

      beforeAll(() => {
        answers = JSON.parse(run('node', [join(fixtures, 'ask-for-cuda.cjs')], { cwd: application }).stdout);
      });

      it('and says in capabilities() that this build has none, and how one is made', () => {
        const { reason, ...others } = answers.cuda;
        expect(others).toEqual({ built: false, available: false, devices: [] });
        expect(reason).toMatch(/no CUDA backend.*nvcc.*cmake-js/);
      });

      it('and refuses whatever needs a device, by a message that says the same', () => {
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

      it("and leaves the caller's arrays as they were", () => {
        expect(answers.untouched).toBe(true);
      });

      it("and computes all the same where the device is 'auto'", () => {
        // Targets 2 and 0 of two rows of the same distribution: its logits are 1 apart.
        const ofLargest = Math.log(1 + Math.exp(-1) + Math.exp(-2));
        expect(answers.loss).toBeCloseTo((ofLargest + (ofLargest + 2)) / 2, 6);
      });
    });

    it('loads in an application without a compiler on the PATH', () => {
      const script = "process.stdout.write(require('fused-bear-loss').capabilities().version)";
      const env = { PATH: '' };
      const { status, stdout } = spawnSync(process.execPath, ['-e', script], {
        cwd: application,
        env,
        encoding: 'utf8',
      });
      expect(status).toBe(0);
      expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
    });
  },
);
