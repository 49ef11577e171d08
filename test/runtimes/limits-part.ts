// What an installation may lack or be damaged by, on each runtime; `using`; and the times of a first call.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isCurrent } from '../../scripts/is-current.cjs';
import { addonFile } from '../../scripts/prebuild-targets.cjs';
import { outputOf } from './application';
import { addTotals } from './contract-part';
import { type Ended, inParallel, run } from './processes';
import { BUN, DENO, NODE_24, RUNTIMES, type Runtime } from './runtimes';
import { Checks, type Tally } from './tally';

const root = join(__dirname, '..', '..');
const programs = join(__dirname, 'programs');
const EMULATED = join('build', 'emulated');

interface Report {
  reports: { backend?: string; reason?: string; version?: string; loss?: number; code?: string; message?: string }[];
  warnings: { code: string; message: string }[];
}

/** The installed package of one application, copied for each runtime. `tests` are the bundled programs. */
export async function testLimits(folder: string, installed: string, tests: string, tally: Tally): Promise<void> {
  await inParallel([...RUNTIMES.entries()], async ([index, runtime]) => {
    const checks = new Checks('limits', runtime.name);
    await testRuntime(new Place(join(folder, `limits-${index}`), runtime, installed, tests), checks);
    tally.add(checks);
  });
  await measure(new Place(join(folder, 'measured'), NODE_24, installed, tests));
}

class Place {
  readonly #modules: string;

  constructor(
    readonly folder: string,
    readonly runtime: Runtime,
    readonly installed: string,
    tests: string,
  ) {
    this.#modules = join(folder, 'node_modules');
    mkdirSync(this.#modules, { recursive: true });
    this.copyPackage('fused-bear-loss');
    // Deno imports only what is asked for there.
    writeFileSync(join(folder, 'package.json'), '{ "dependencies": { "fused-bear-loss": "*" } }');
    for (const name of ['run-bundle.cjs', 'package-tests.cjs']) copyFileSync(join(tests, name), join(folder, name));
    for (const name of ['worker', 'report', 'using', 'measure', 'without-shared-memory']) {
      copyFileSync(join(programs, `${name}.cjs`), join(folder, `${name}.cjs`));
    }
  }

  /** Copies the package to another name; returns its folder. */
  copyPackage(name: string): string {
    cpSync(this.installed, join(this.#modules, name), { recursive: true, dereference: true });
    return join(this.#modules, name);
  }

  start(args: string[], env: Record<string, string> = {}, launcher = this.runtime.launcher): Promise<Ended> {
    const own = { PATH: '', HOME: this.folder, NO_COLOR: '1', ...env };
    return run([...launcher, ...args], { cwd: this.folder, env: own });
  }

  async report(names: string[], env: Record<string, string> = {}, launcher = this.runtime.launcher): Promise<Report> {
    const ended = await this.start(['report.cjs', ...names], env, launcher);
    assert.equal(ended.status, 0, ended.stderr);
    return JSON.parse(ended.stdout);
  }
}

function assertModule({ reports, warnings }: Report, reason: RegExp): void {
  assert.equal(reports[0]?.backend, 'wasm');
  assert.match(reports[0]?.reason ?? '', reason);
  assert.ok(Math.abs((reports[0]?.loss ?? 0) - Math.log(2)) < 1e-6);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['BEAR_BACKEND'],
  );
}

/** What can be wrong with an addon. */
const DAMAGES: { name: string; what: string; damage: (addon: Buffer) => Buffer; reason: RegExp }[] = [
  {
    name: 'truncated',
    what: 'a truncated addon',
    damage: (addon) => addon.subarray(0, 500_000),
    reason: /truncated/,
  },
  {
    name: 'foreign',
    what: 'the addon of another processor',
    damage: (addon) => {
      addon.writeUInt16LE(243, 0x12); // RISC-V
      return addon;
    },
    reason: /cannot be used/,
  },
  {
    name: 'newer-glibc',
    what: 'an addon that needs a newer glibc',
    damage: (addon) => {
      addon.write('GLIBC_2.99', addon.indexOf('GLIBC_2.34\0'), 'latin1');
      return addon;
    },
    reason: /GLIBC_2\.99/,
  },
];

async function testRuntime(place: Place, checks: Checks): Promise<void> {
  const forced = { FUSED_BEAR_LOSS_BACKEND: 'native' };
  for (const { name, what, damage, reason } of DAMAGES) {
    const file = join(place.copyPackage(name), addonFile('linux-x64'));
    writeFileSync(file, damage(readFileSync(file)));
    await checks.check(`${what}: the module computes, with one warning`, async () => {
      assertModule(await place.report([name]), reason);
    });
    await checks.check(`${what}, which is forced: an error with a code`, async () => {
      const { reports } = await place.report([name], forced);
      assert.equal(reports[0]?.code, 'ERR_BEAR_ADDON_NOT_FOUND');
      assert.match(reports[0]?.message ?? '', reason);
    });
  }
  await checks.check('two versions in one process compute both', async () => {
    const file = join(place.copyPackage('other-version'), 'package.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), version: '999.0.0' }));
    const { reports, warnings } = await place.report(['fused-bear-loss', 'other-version']);
    const [first, second] = reports;
    assert.deepEqual([first?.backend, second?.backend, second?.version], ['native', 'native', '999.0.0']);
    assert.equal(first?.loss, second?.loss);
    assert.deepEqual(warnings, []);
  });
  for (const backend of ['native', 'wasm']) {
    const env = { EXPECTED_BACKEND: backend, FUSED_BEAR_LOSS_BACKEND: backend };
    const args = ['run-bundle.cjs', 'package-tests.cjs'].map((name) => join(place.folder, name));
    addTotals(checks, await place.start(['without-shared-memory.cjs', ...args], env));
  }
  await testFlags(place, checks);
  await testUsing(place, checks);
}

async function testFlags(place: Place, checks: Checks): Promise<void> {
  const { runtime } = place;
  if (runtime === BUN) {
    checks.skip('--jitless, --no-enable-sse4-1, --permission', 'Bun has none of them');
    return;
  }
  const [program] = runtime.launcher;
  const isDeno = runtime === DENO;
  const withFlags = (...flags: string[]): Runtime['launcher'] => [program, ...(isDeno ? ['run'] : []), ...flags];
  const withV8Flag = (flag: string) => withFlags(...(isDeno ? ['--allow-all', `--v8-flags=${flag}`] : [flag]));
  const jitless = withV8Flag('--jitless');
  await checks.check('--jitless: the addon computes, and the module says that it cannot', async () => {
    const { reports } = await place.report(['fused-bear-loss'], {}, jitless);
    assert.equal(reports[0]?.backend, 'native');
    const ofModule = await place.report(['fused-bear-loss'], { FUSED_BEAR_LOSS_BACKEND: 'wasm' }, jitless);
    assert.equal(ofModule.reports[0]?.code, 'ERR_BEAR_WASM_UNAVAILABLE');
  });
  await checks.check('neither an addon nor WebAssembly with SIMD: an error with a code, and both reasons', async () => {
    rmSync(join(place.copyPackage('without-addons'), 'prebuilds'), { recursive: true });
    const { reports, warnings } = await place.report(['without-addons'], {}, withV8Flag('--no-enable-sse4-1'));
    assert.equal(reports[0]?.code, 'ERR_BEAR_WASM_UNSUPPORTED');
    assert.match(reports[0]?.message ?? '', /no SIMD .*; and there is no native addon/);
    assert.deepEqual(warnings, []);
  });
  const permission = isDeno
    ? withFlags('--no-prompt', '--allow-read', '--allow-env', '--allow-sys')
    : withFlags(runtime.nodeMajor < 22 ? '--experimental-permission' : '--permission', '--allow-fs-read=*');
  await checks.check('no permission to load addons: the module computes, with one warning', async () => {
    assertModule(await place.report(['fused-bear-loss'], {}, permission), /cannot be used/);
  });
}

async function testUsing(place: Place, checks: Checks): Promise<void> {
  const name = '`using` gives device memory back';
  if (place.runtime.nodeMajor < 24) {
    checks.skip(name, 'the runtime has no `using`');
  } else if (!isCurrent(join(EMULATED, 'build', 'Release', 'fused_bear_loss.node'), [])) {
    checks.skip(name, 'npm run build:emulated has not built the emulated device of these sources');
  } else {
    await checks.check(name, async () => {
      const env = { FUSED_BEAR_LOSS_PREBUILD: join(root, EMULATED), FUSED_BEAR_LOSS_BACKEND: 'native' };
      const output = outputOf(await place.start(['using.cjs'], env));
      const { loss, held, after } = JSON.parse(output);
      assert.ok(Math.abs(loss - Math.log(5)) < 1e-6 && held > 0);
      assert.equal(after, 0);
    });
  }
}

/** Prints medians, which no check depends on. */
async function measure(place: Place): Promise<void> {
  for (const backend of ['native', 'wasm']) {
    const times: { import: number; first: number; second: number }[] = [];
    for (let round = 0; round < 9; round++) {
      times.push(JSON.parse(outputOf(await place.start(['measure.cjs'], { FUSED_BEAR_LOSS_BACKEND: backend }))));
    }
    const median = (name: 'import' | 'first' | 'second') =>
      times
        .map((each) => each[name])
        .sort((a, b) => a - b)[4]
        ?.toFixed(2);
    const line = `import ${median('import')} ms, first call ${median('first')} ms, second ${median('second')} ms`;
    console.log(`measured, ${place.runtime.name}, ${backend}: ${line} (medians of 9)`);
  }
}
