// The tests of the library on each runtime, on the addon that the package ships and on the WebAssembly module.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Bundle, bundleTests, CONTRACT_ROOMS } from './bundle-tests';
import { type Ended, inParallel, run } from './processes';
import { RUNTIMES, type Runtime } from './runtimes';
import { type Counts, TOTALS } from './small-jest';
import { Checks, type Tally } from './tally';

const root = join(__dirname, '..', '..');
const ROOMS = [...CONTRACT_ROOMS, 'options', 'loss', 'decoding', 'parallel', 'linear'];
/** What the module has no calls for. */
const NATIVE_ONLY = ['parallel'];

type BackendName = 'native' | 'wasm';

/** `folder` is the part's own. */
export async function testContract(folder: string, tally: Tally): Promise<void> {
  const bundle = await bundleTests(join(folder, 'tests'), ROOMS);
  // The addon of the tarball, not the one in build/Release.
  const addons = join(folder, 'addons');
  rmSync(addons, { recursive: true, force: true });
  mkdirSync(addons);
  symlinkSync(join(root, 'prebuilds'), join(addons, 'prebuilds'));
  const hasModule = existsSync(join(root, 'dist', 'wasm', 'module-bytes.js'));
  const jobs = RUNTIMES.flatMap((runtime) =>
    (['native', 'wasm'] as const).map((backend) => ({ runtime, backend, env: { FUSED_BEAR_LOSS_PREBUILD: addons } })),
  );
  await inParallel(jobs, async ({ runtime, backend, env }) => {
    const checks = new Checks('contract', `${runtime.name}, ${backend}`);
    for (const name of bundle.leftOut) checks.skip(name, 'it replaces modules, which jest alone can do');
    if (backend === 'native' || hasModule) await runTests(checks, bundle, runtime, backend, env);
    else checks.skip('all', 'npm run build:wasm did not build the module');
    tally.add(checks);
  });
}

async function runTests(
  checks: Checks,
  { runner, testFiles }: Bundle,
  { launcher }: Runtime,
  backend: BackendName,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const files = testFiles.filter(
    (file) => backend === 'native' || !NATIVE_ONLY.some((room) => file.includes(`/${room}/`)),
  );
  const environment = {
    ...process.env,
    ...env,
    TEST_LAUNCHER: JSON.stringify(launcher),
    FUSED_BEAR_LOSS_BACKEND: backend,
    FUSED_BEAR_LOSS_TEST_DEVICE: backend === 'wasm' ? 'wasm' : 'cpu',
  };
  const ended = await run([...launcher, runner, ...files], { cwd: root, env: environment });
  addTotals(checks, ended);
}

/** What run-bundle.ts counted. */
export function addTotals(checks: Checks, { status, stdout, stderr }: Ended): void {
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (!last.startsWith(TOTALS)) {
    checks.fail('the run', `ended with ${status}:\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`);
    return;
  }
  const { passed, skipped, failures } = JSON.parse(last.slice(TOTALS.length)) as Counts;
  checks.pass(passed);
  for (const { name, message } of failures) checks.fail(name, message);
  for (const name of skipped) checks.skip(name, '');
  // It fell after the last test: a worker, a finalizer.
  if (status !== 0 && failures.length === 0) checks.fail('the end of the run', `it ended with ${status}:\n${stderr}`);
}
