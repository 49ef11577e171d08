// `npm run test:runtimes [-- --counts FILE]`: the package on every runtime and by every package manager that can be had here.
// Needs the npm registry once, for test/runtimes/package.json; says SKIPPED without. The last line counts; FILE gets the
// counts as .ci/run adds them up.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isCurrent } from '../../scripts/prebuild-targets.cjs';
import type { Packed } from './application';
import { bundlePackageTests } from './bundle-tests';
import { testContract } from './contract-part';
import { testInstalls } from './installs-part';
import { installRuntimes, RUNTIMES } from './runtimes';
import { Checks, Tally } from './tally';

const root = join(__dirname, '..', '..');

async function main(): Promise<boolean> {
  const { values } = parseArgs({ options: { counts: { type: 'string' } } });
  const tally = new Tally();
  const started = performance.now();
  const missing = installRuntimes();
  const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`;
  console.log(`runtimes: ${missing ?? 'installed'}, ${seconds()}`);
  if (missing === undefined) {
    await testAll(tally);
  } else {
    for (const { name } of RUNTIMES) {
      const checks = new Checks('all', name);
      checks.skip('all', missing);
      tally.add(checks);
    }
  }
  tally.print();
  const { passed, failed, skipped } = tally.counts();
  if (values.counts !== undefined) {
    const report = { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped };
    writeFileSync(values.counts, JSON.stringify(report));
  }
  console.log(`all of it: ${seconds()}`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 && (passed > 0 || missing !== undefined);
}

async function testAll(tally: Tally): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fused-bear-loss-runtimes-')));
  try {
    makePrebuild();
    const tests = join(folder, 'programs');
    await bundlePackageTests(tests);
    await testInstalls(folder, pack(folder), tests, tally);
    await testContract(folder, tally);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The addon of this platform, built if it is not there or older than its sources. */
function makePrebuild(): void {
  if (isCurrent('linux-x64')) return;
  const env = { ...process.env, FBL_PREBUILD_TARGETS: 'linux-x64' };
  execFileSync('npm', ['run', '--silent', 'prebuild'], { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** As a release is packed, but from dist/ as it lies there. */
function pack(folder: string): Packed {
  execFileSync('node', [join('scripts', 'copy-headers.cjs')], { cwd: root });
  const args = ['pack', root, '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename, size, unpackedSize }] = JSON.parse(execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }));
  console.log(`tarball: ${(size / 1e6).toFixed(2)} MB, unpacked ${(unpackedSize / 1e6).toFixed(2)} MB`);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return { tarball: join(folder, filename), version };
}

main().then(
  (isSound) => process.exit(isSound ? 0 : 1),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
