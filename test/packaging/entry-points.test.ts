import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  addonFile,
  installPackage,
  makeTemporaryFolder,
  packRepository,
  removeFolder,
  repositoryRoot,
  run,
} from './support.js';

const entryPoints = [
  'fused-bear-loss',
  'fused-bear-loss/cuda',
  'fused-bear-loss/decoding',
  'fused-bear-loss/tfjs',
  'fused-bear-loss/jax',
];
/** Optional peers, which an application installs by itself. */
const peers = ['@tensorflow', '@jax-js'];

const consumer = join(repositoryRoot, 'test', 'runtimes', 'programs', 'consumer.ts');

interface Conditions {
  import: { default: string };
}

describe('the packed package', () => {
  let application: string;

  beforeAll(() => {
    application = makeTemporaryFolder('entry-points');
    const installed = installPackage(application);
    mkdirSync(dirname(join(installed, addonFile)), { recursive: true });
    cpSync(join(repositoryRoot, addonFile), join(installed, addonFile));
    for (const peer of peers) symlinkSync(join(repositoryRoot, 'node_modules', peer), join(installed, '..', peer));
  });

  afterAll(() => removeFolder(application));

  it.each(entryPoints)('%s exports the same names and the same objects to CommonJS and to ES modules', (entryPoint) => {
    const required = join(application, 'required.cjs');
    const imported = join(application, 'imported.mjs');
    writeFileSync(
      required,
      `console.log(JSON.stringify(Object.keys(require('${entryPoint}')).filter((name) => name !== 'default').sort()));`,
    );
    writeFileSync(
      imported,
      `import * as imported from '${entryPoint}';
      import { createRequire } from 'node:module';
      const required = createRequire(import.meta.url)('${entryPoint}');
      const ofTheLoader = ['default', 'module.exports', '__esModule'];
      const names = Object.keys(imported).filter((name) => !ofTheLoader.includes(name)).sort();
      console.log(JSON.stringify({ names, different: names.filter((name) => imported[name] !== required[name]) }));`,
    );
    const names: string[] = JSON.parse(run('node', [required], { cwd: application }).stdout);
    expect(names.length).toBeGreaterThan(0);
    expect(JSON.parse(run('node', [imported], { cwd: application }).stdout)).toEqual({ names, different: [] });
  });

  // Bun drops a module that it takes for one without effects, with all that the module passes on from CommonJS.
  it('says of each module that passes CommonJS on that it has side effects', () => {
    const { exports, sideEffects } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
    const conditions = Object.values(exports).filter((each) => typeof each === 'object') as Conditions[];
    expect(sideEffects).toEqual(conditions.map((each) => each.import.default));
  });

  it('computes a loss from an ES module', () => {
    const script = `import { fusedBearLoss } from 'fused-bear-loss';
      const { loss } = fusedBearLoss(new Float32Array([1, 2, 3, 4]), [2], { penalty: 'none' });
      console.log(loss);`;
    const { stdout } = run('node', ['--input-type=module', '-e', script], { cwd: application });
    const expected = Math.log([1, 2, 3, 4].reduce((sum, logit) => sum + Math.exp(logit), 0)) - 3;
    expect(Number(stdout)).toBeCloseTo(expected, 6);
  });

  describe('its command', () => {
    const command = () => join(application, 'node_modules', '.bin', 'fused-bear-loss');

    it('says what is there', () => {
      const { stdout } = run(command(), ['doctor'], { cwd: application });
      expect(stdout).toMatch(/^fused-bear-loss \d+\.\d+\.\d+ on Node v\d+/);
      expect(stdout).toMatch(/^CPU kernel {3}\w+/m);
    });

    // FUSED_BEAR_LOSS_PREBUILD: where the addon is looked for instead, in vain.
    const doctorWithoutAddon = (environment: Record<string, string>) =>
      spawnSync(command(), ['doctor'], {
        cwd: application,
        encoding: 'utf8',
        env: { ...process.env, FUSED_BEAR_LOSS_PREBUILD: application, ...environment },
      });

    it('says why the addon cannot be loaded, where it must be', () => {
      const { status, stdout, stderr } = doctorWithoutAddon({ FUSED_BEAR_LOSS_BACKEND: 'native' });
      expect([status, stderr]).toEqual([1, '']);
      expect(stdout).toMatch(/^kernel {7}not loaded: \S+/m);
    });

    const module = existsSync(join(repositoryRoot, 'dist', 'wasm', 'module-bytes.js'));
    (module ? it : it.skip)('says that the module computes where the addon is missing, and why', () => {
      const { status, stdout, stderr } = doctorWithoutAddon({});
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^addon {8}none: \S+/m);
      expect(stdout).toMatch(/^backend {6}wasm \(\S+/m);
      expect(stdout).toMatch(/^numbers {6}native: not checked, as it does not load: .+\nnumbers {6}wasm: right/m);
    });
  });

  it.each(['consumer.cts', 'consumer.mts'])('has types that hold in %s', (name) => {
    cpSync(consumer, join(application, name));
    const typeRoots = join(repositoryRoot, 'node_modules', '@types');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022'];
    const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    const args = [tsc, ...options, '--typeRoots', typeRoots, '--types', 'node', name];
    expect(run('node', args, { cwd: application }).stdout).toBe('');
  });

  it('passes publint and Are The Types Wrong', () => {
    const tarball = packRepository(application);
    const commands = join(repositoryRoot, 'node_modules', '.bin');
    const publint = run(join(commands, 'publint'), ['run', tarball, '--strict'], { cwd: application });
    expect(publint.stdout).toContain('All good');
    // Node 20 and later are supported, so the resolution of Node 10 is not asked for. No network: no DefinitelyTyped.
    // A problem ends it with status 1, which run() throws.
    const attw = [tarball, '--profile', 'node16', '--no-definitely-typed', '--no-emoji', '--no-color'];
    const report = run(join(commands, 'attw'), attw, { cwd: application }).stdout;
    for (const entryPoint of entryPoints) expect(report).toContain(`"${entryPoint}"`);
  });

  it('holds every file that its builds and entry points need, and nothing of the tests', () => {
    const tarball = packRepository(application);
    const listing = run('tar', ['-tzf', tarball], { cwd: application }).stdout.trim().split('\n');
    const files = listing.map((file) => file.replace(/^package\//, ''));
    const needed = [
      'CMakeLists.txt',
      'native/sources.json',
      'headers/napi.h',
      'headers/node_api.h',
      'LICENSE',
      'CHANGELOG.md',
    ];
    expect(files).toEqual(expect.arrayContaining(needed));
    expect(files.filter((file) => /^(test|lib|scripts|binding|benchmarks|examples|build|docs|\.)/.test(file))).toEqual(
      [],
    );
  });
});
