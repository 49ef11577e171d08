// The packed package as users install and use it: every package manager, no compiler, no Python, no registry.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Application, outputOf, type Packed } from './application';
import { addTotals } from './contract-part';
import { PACKAGE_MANAGERS, type PackageManager } from './package-managers';
import { inParallel, run } from './processes';
import { serveRegistry } from './registry';
import { BUN } from './runtimes';
import { Checks, type Tally } from './tally';

const root = join(__dirname, '..', '..');
const programs = join(__dirname, 'programs');

/** Installs everywhere below `folder`; returns the applications that could be installed. `tests` are the bundled programs. */
export async function testInstalls(
  folder: string,
  packed: Packed,
  tests: string,
  tally: Tally,
): Promise<Application[]> {
  const { default: manifest } = await import(join(root, 'package.json'));
  const registry = await serveRegistry(packed.tarball, manifest);
  try {
    const applications = await inParallel([...PACKAGE_MANAGERS.entries()], async ([index, manager]) => {
      const checks = new Checks('install', manager.name);
      const application = new Application(
        join(folder, `application-${index}`),
        manager,
        packed,
        manager.from === 'registry' ? registry.url : undefined,
      );
      const isInstalled = await testApplication(application, tests, checks);
      tally.add(checks);
      return isInstalled ? application : undefined;
    });
    return applications.filter((application) => application !== undefined);
  } finally {
    registry.close();
  }
}

async function testApplication(application: Application, tests: string, checks: Checks): Promise<boolean> {
  const { manager } = application;
  let isInstalled = false;
  await checks.check('nothing is blocked, nothing is warned of', async () => {
    const { status, stdout, stderr } = await application.install();
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    isInstalled = true;
    assert.doesNotMatch(
      `${stdout}\n${stderr}`.replace(manager.expectedWarning ?? '', ''),
      /warn|block|ignored|script|deprecat|error|gyp/i,
    );
  });
  if (!isInstalled) return false;
  for (const name of ['run-bundle.cjs', 'package-tests.cjs'])
    copyFileSync(join(tests, name), join(application.folder, name));
  copyFileSync(join(programs, 'worker.cjs'), join(application.folder, 'worker.cjs'));
  for (const backend of ['native', 'wasm']) {
    // The addon is to be chosen where nothing is said.
    const env = { EXPECTED_BACKEND: backend, ...(backend === 'wasm' && { FUSED_BEAR_LOSS_BACKEND: 'wasm' }) };
    addTotals(checks, await application.start(['run-bundle.cjs', join(application.folder, 'package-tests.cjs')], env));
  }
  await checks.check('the quickstarts print the same', async () => {
    const outputs: string[] = [];
    for (const name of ['quickstart.cjs', 'quickstart.mjs']) {
      copyFileSync(join(root, 'examples', name), join(application.folder, name));
      outputs.push(outputOf(await application.start([name])));
    }
    assert.match(outputs[0] as string, /^loss 1\.32822/);
    assert.equal(outputs[0], outputs[1]);
  });
  await testTypes(application, manager, checks);
  await testBundles(application, checks);
  return true;
}

const TYPES: [string, string, string[]][] = [
  ['nodenext, CommonJS', 'consumer.cts', ['--module', 'nodenext']],
  ['nodenext, ES modules', 'consumer.mts', ['--module', 'nodenext']],
  ['bundler', 'consumer.ts', ['--module', 'esnext', '--moduleResolution', 'bundler']],
];

async function testTypes({ folder }: Application, { noTypes }: PackageManager, checks: Checks): Promise<void> {
  for (const [module, file, options] of TYPES) {
    if (noTypes !== undefined) {
      checks.skip(`types, ${module}`, noTypes);
      continue;
    }
    await checks.check(`types, ${module}`, async () => {
      copyFileSync(join(programs, 'consumer.ts'), join(folder, file));
      const typeRoots = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node'];
      const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      const args = ['--noEmit', '--strict', '--target', 'es2022', ...options, ...typeRoots, file];
      assert.equal(outputOf(await run([process.execPath, tsc, ...args], { cwd: folder, env: process.env })), '');
    });
  }
}

const BUNDLES = { cjs: '.cjs', esm: '.mjs' } as const;

async function testBundles(application: Application, checks: Checks): Promise<void> {
  const { folder, elsewhere, manager } = application;
  copyFileSync(join(programs, 'application.mjs'), join(folder, 'application.mjs'));
  const assertComputes = async (file: string, expected: 'native' | 'wasm') => {
    const { backend, reason, loss, leaves } = JSON.parse(outputOf(await application.start([file])));
    assert.deepEqual({ backend, leaves }, { backend: expected, leaves: 2 });
    if (expected === 'wasm') assert.match(reason, /no native addon .*: this program is a bundle/);
    assert.ok(Math.abs(loss - Math.log(2)) < 1e-6);
  };
  for (const [name, extension] of Object.entries(BUNDLES)) {
    const format = name as keyof typeof BUNDLES;
    const bundle = async (outfile: string, external: string[]) => {
      const common = { bundle: true, platform: 'node', logLevel: 'silent' } as const;
      await build({ ...common, format, absWorkingDir: folder, entryPoints: ['application.mjs'], outfile, external });
    };
    const whole = join(folder, 'bundled', `whole${extension}`);
    await checks.check(`bundled by esbuild (${format}), the package outside: the addon computes`, async () => {
      const outfile = join(folder, 'bundled', `external${extension}`);
      await bundle(outfile, ['fused-bear-loss']);
      await assertComputes(outfile, 'native');
    });
    await checks.check(`bundled by esbuild (${format}) as a whole: the addon of the installed package`, async () => {
      await bundle(whole, []);
      await assertComputes(whole, 'native');
    });
    await checks.check(`bundled by esbuild (${format}) and taken elsewhere: the module computes`, async () => {
      const alone = join(elsewhere, `alone${extension}`);
      copyFileSync(whole, alone);
      await assertComputes(alone, manager.servesAll ? 'native' : 'wasm');
    });
    if (manager.name !== BUN.name) continue;
    await checks.check(`bundled by Bun (${format}) as a whole: the addon of the installed package`, async () => {
      const outfile = join(folder, 'bundled', `bun${extension}`);
      const args = ['build', 'application.mjs', '--target=node', `--format=${format}`, `--outfile=${outfile}`];
      const [bun] = BUN.launcher;
      const { status, stderr } = await application.start(args, {}, [bun]);
      assert.equal(status, 0, stderr);
      await assertComputes(outfile, 'native');
    });
  }
}
