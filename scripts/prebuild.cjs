// `npm run prebuild`: builds the addons that the package ships, as prebuilds/<platform>-<arch>/fused-bear-loss.<libc>.node:
// for this system, and for linux-arm64 where Debian's cross compiler is. FBL_PREBUILD_TARGETS names others: linux-x64,linux-arm64.
//
// In package.json this is the script `postprebuild`, and `prebuild` does nothing: npm takes a script called `prebuild`
// for the hook that runs before `build`, and would make every build a prebuild. `npm run prebuild` runs `prebuild` and then
// `postprebuild`; `npm run build` runs `prebuild` and then `build`.
//
// prebuildify names, strips and places the file; scripts/prebuild-backend.cjs stands in for the node-gyp that it calls.
// The build has a folder of its own, so that the addon in build/Release stays what it is.
const { mkdirSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { promisify } = require('node:util');
const prebuildify = promisify(require('prebuildify'));
const { name } = require('../package.json');
const { buildTargets, crossCompiler } = require('./prebuild-targets.cjs');

const root = join(__dirname, '..');

async function prebuild(target) {
  const own = target === `${process.platform}-${process.arch}`;
  const cross = own ? undefined : crossCompiler(target);
  if (!own && cross === undefined) throw new Error(`there is no compiler for ${target} here`);
  const [platform, arch] = target.split('-');
  const folder = join(root, 'build-prebuild', target);
  rmSync(folder, { recursive: true, force: true });
  rmSync(join(root, 'prebuilds', target), { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Windows starts no script by its first line.
  const backend = join(__dirname, process.platform === 'win32' ? 'prebuild-backend.cmd' : 'prebuild-backend.cjs');
  await prebuildify({
    cwd: folder,
    out: root,
    name,
    platform,
    arch,
    napi: true,
    strip: true,
    stripBin: `${cross?.prefix ?? ''}strip`,
    tagLibc: platform === 'linux',
    nodeGyp: backend,
  });
}

async function main() {
  const targets = process.env.FBL_PREBUILD_TARGETS?.split(',') ?? buildTargets();
  for (const target of targets) await prebuild(target);
  console.log(`fused-bear-loss: prebuilt for ${targets.join(', ')}`);
}

main().catch((error) => {
  console.error(`fused-bear-loss: no prebuilt addon was made: ${error.message}`);
  process.exit(1);
});
