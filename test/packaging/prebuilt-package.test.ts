// What a user gets who has no compiler: the tarball with the prebuilt addons inside, installed and run.
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { findProblems, neededGlibc } from '../../scripts/check-release.cjs';
import { addonFile, buildTargets, isCurrent, SHIPPED_TARGETS } from '../../scripts/prebuild-targets.cjs';
import {
  findOnPath,
  installPackage,
  linkCommands,
  makeTemporaryFolder,
  packRepository,
  removeFolder,
  repositoryRoot,
  run,
} from './support.js';

const MEGABYTE = 1e6;
const ADDONS = SHIPPED_TARGETS.map(addonFile);
const targets = SHIPPED_TARGETS.filter((target) => buildTargets().includes(target));
const here = `${process.platform}-${process.arch}`;
const own = targets.includes(here) ? addonFile(here) : undefined;
const hasCuda = findOnPath('nvcc') !== undefined;

function makePrebuilds(): void {
  const outdated = targets.filter((target) => !isCurrent(target));
  if (outdated.length === 0) return;
  const env = { ...process.env, FBL_PREBUILD_TARGETS: outdated.join(','), ...(hasCuda ? {} : { FBL_CUDA: 'OFF' }) };
  run('npm', ['run', 'prebuild'], { cwd: repositoryRoot, env });
}

(own ? describe : describe.skip)(
  `the packed package${own ? '' : ` (skipped: no addon is shipped for ${here})`}`,
  () => {
    beforeAll(() => makePrebuilds());

    const needsReadelf = findOnPath('readelf') ? describe : describe.skip;

    needsReadelf.each(targets.map(addonFile))('%s', (addon) => {
      it('is smaller than 3.5 MB', () => {
        expect(statSync(join(repositoryRoot, addon)).size).toBeLessThan(3.5 * MEGABYTE);
      });

      // glibc 2.34 is that of RHEL 9, Debian 12 and Ubuntu 22.04; the C++ library is linked in.
      it('needs no newer glibc than that', () => {
        expect(Number(neededGlibc(join(repositoryRoot, addon)).split('.')[1])).toBeLessThanOrEqual(34);
      });

      it('needs the C library only', () => {
        const { stdout } = run('readelf', ['--dynamic', '--wide', addon], { cwd: repositoryRoot });
        const needed = [...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1] ?? '');
        expect(needed.length).toBeGreaterThan(0);
        expect(
          needed.filter((library) => !/^(libc|libm|libpthread|libdl|librt|ld-linux.*)\.so\.\d+$/.test(library)),
        ).toEqual([]);
      });
    });

    describe('installed where there is no compiler and no registry', () => {
      let application: string;
      let env: NodeJS.ProcessEnv;

      beforeAll(() => {
        application = makeTemporaryFolder('prebuilt');
        const commands = join(application, 'commands');
        linkCommands(commands, ['node', 'npm', 'sh', 'env']);
        env = { PATH: commands, HOME: application };
        expect(['cc', 'gcc', 'g++', 'make', 'python3', 'nvcc'].filter((name) => findOnPath(name, commands))).toEqual(
          [],
        );
        installPackage(application, env);
      });

      afterAll(() => removeFolder(application));

      const installed = () => join(application, 'node_modules', 'fused-bear-loss');

      it('was not built there', () => {
        expect(existsSync(join(installed(), 'build'))).toBe(false);
        expect(existsSync(join(installed(), own as string))).toBe(true);
      });

      it.each(['quickstart.cjs', 'quickstart.mjs'])(
        'runs %s with the prebuilt addon, and warns of nothing',
        (program) => {
          copyFileSync(join(repositoryRoot, 'examples', program), join(application, program));
          const { stdout, stderr } = run('node', [program], { cwd: application, env });
          const ofClone = run('node', [join('examples', program)], { cwd: repositoryRoot });
          expect(stdout).not.toBe('');
          expect({ stdout, stderr }).toEqual({ stdout: ofClone.stdout, stderr: '' });
        },
      );

      it('loads in one process with another version of itself', () => {
        const other = join(application, 'node_modules', 'other-version');
        cpSync(installed(), other, { recursive: true });
        const packageFile = join(other, 'package.json');
        const content = JSON.parse(readFileSync(packageFile, 'utf8'));
        writeFileSync(packageFile, JSON.stringify({ ...content, version: '999.0.0' }));
        const script = `
        const packages = ['fused-bear-loss', 'other-version'].map((name) => require(name));
        const computed = packages.map((each) => [each.fusedBearLoss(Float32Array.of(1, 2, 3), [1]).loss, each.capabilities().version]);
        Promise.all(packages.map((each) => each.fusedBearLossAsync(Float32Array.of(1, 2, 3), [1])))
          .then((later) => console.log(JSON.stringify({ computed, later: later.map(({ loss }) => loss) })));`;
        const { computed, later } = JSON.parse(run('node', ['-e', script], { cwd: application, env }).stdout);
        const [loss] = computed[0];
        expect(loss).toBeGreaterThan(1);
        expect(computed).toEqual([
          [loss, content.version],
          [loss, '999.0.0'],
        ]);
        expect(later).toEqual([loss, loss]);
        rmSync(other, { recursive: true });
      });
    });

    const moduleFile = 'dist/wasm/module-bytes.js';
    const hasModule = existsSync(join(repositoryRoot, moduleFile));
    const complete = targets.length === ADDONS.length && hasCuda && hasModule && findOnPath('readelf');
    const whole = complete ? describe : describe.skip;
    whole(
      `a release${complete ? '' : ' (needs nvcc, readelf and the compilers of all platforms and of WebAssembly)'}`,
      () => {
        let folder: string;
        let unpacked: string;

        beforeAll(() => {
          folder = makeTemporaryFolder('release');
          const tarball = packRepository(folder);
          expect(statSync(tarball).size).toBeLessThanOrEqual(5 * MEGABYTE);
          run('tar', ['-xzf', tarball, '-C', folder], { cwd: folder });
          unpacked = join(folder, 'package');
        });

        afterAll(() => removeFolder(folder));

        it('has nothing that speaks against it', () => {
          expect(findProblems(unpacked)).toEqual([]);
        });

        /** The package with one change. */
        function changed(change: (copy: string) => void): string[] {
          const copy = join(folder, 'changed');
          cpSync(unpacked, copy, { recursive: true });
          change(copy);
          const problems = findProblems(copy);
          rmSync(copy, { recursive: true });
          return problems;
        }

        const entries = ['index', 'cuda', 'decoding', 'tfjs', 'jax'].map((name) => `dist/browser/${name}.mjs`);
        const others = ['dist/index.js', 'dist/cuda/index.mjs', 'dist/adapters/jax.d.mts', 'bin/fused-bear-loss.js'];

        it.each([...ADDONS, moduleFile, ...entries, ...others])('is refused without %s', (file) => {
          const aside = join(folder, 'aside');
          renameSync(join(unpacked, file), aside);
          const problems = findProblems(unpacked);
          renameSync(aside, join(unpacked, file));
          expect(problems).toEqual([`${file} is missing`]);
        });

        it('is refused where package.json leaves a browser build out', () => {
          const problems = changed((copy) => {
            const file = join(copy, 'package.json');
            const manifest = JSON.parse(readFileSync(file, 'utf8'));
            delete manifest.exports['./decoding'].import.browser;
            writeFileSync(file, JSON.stringify(manifest));
          });
          expect(problems).toEqual(['package.json names no browser build of ./decoding']);
        });

        /** The one file of the browser build that has the module inside. */
        function chunkWithModule(copy: string): string {
          const chunks = join(copy, 'dist', 'browser', 'chunks');
          const files = readdirSync(chunks).map((name) => join(chunks, name));
          const [file, ...more] = files.filter((each) => readFileSync(each, 'utf8').includes('AGFzbQ'));
          expect(more).toEqual([]);
          return file as string;
        }

        it('is refused without a file that the browser build imports', () => {
          const problems = changed((copy) => rmSync(chunkWithModule(copy)));
          expect(problems).toEqual(entries.map((entry) => expect.stringContaining(`${entry} imports dist/browser/`)));
        });

        it('is refused where the browser build has another module inside, or none', () => {
          const problems = changed((copy) => {
            const file = chunkWithModule(copy);
            writeFileSync(file, readFileSync(file, 'utf8').replace(/AGFzbQ[\w+/=]{9}/, 'AGFzbQ'));
          });
          expect(problems).toEqual(entries.map((entry) => `${entry} has not the module inside that ${moduleFile} has`));
        });

        it('is refused with a module that is cut off', () => {
          const problems = changed((copy) => {
            writeFileSync(join(copy, moduleFile), "exports.base64 = 'AGFzbQEAAAAB';\n");
          });
          expect(problems).toEqual([`${moduleFile} has no module inside`]);
        });

        it.each(['dist/notes.txt', 'native/cpu/row_kernel.o', 'prebuilds/linux-x64/other.node', 'binding.gyp'])(
          'is refused with %s',
          (file) => {
            expect(changed((copy) => writeFileSync(join(copy, file), ''))).toEqual([`${file} does not belong there`]);
          },
        );

        it('is refused where an addon needs a newer glibc than the README says', () => {
          const problems = changed((copy) => {
            const readme = readFileSync(join(copy, 'README.md'), 'utf8');
            writeFileSync(join(copy, 'README.md'), readme.replaceAll('glibc 2.34 or later', 'glibc 2.5 or later'));
          });
          expect(problems).toEqual(
            ADDONS.map((addon) => expect.stringMatching(`${addon} needs glibc 2.\\d+, and README.md`)),
          );
        });

        it('is refused without CUDA in the addon of linux-x64', () => {
          const [x64, arm64] = ADDONS as [string, string];
          expect(changed((copy) => copyFileSync(join(copy, arm64), join(copy, x64)))).toContain(
            `${x64} has no CUDA inside`,
          );
        });
      },
    );
  },
);
