// The addons that the package ships, and which of them this system can build.
const { spawnSync } = require('node:child_process');
const { isCurrent: isFileCurrent } = require('./is-current.cjs');

/** The platform table of the README calls these native: a release without one is refused. */
const SHIPPED_TARGETS = ['linux-x64', 'linux-arm64'];

// Debian's: `apt install g++-aarch64-linux-gnu`.
const CROSS_COMPILERS = { 'linux-arm64': { prefix: 'aarch64-linux-gnu-', processor: 'aarch64' } };

/** What builds for another system, or undefined where this one cannot. */
function crossCompiler(target) {
  const found = process.platform === 'linux' ? CROSS_COMPILERS[target] : undefined;
  if (found === undefined) return undefined;
  return spawnSync(`${found.prefix}g++`, ['--version'], { stdio: 'ignore' }).error ? undefined : found;
}

/** This system, and the others that it can build for. */
function buildTargets() {
  const own = `${process.platform}-${process.arch}`;
  return [
    own,
    ...Object.keys(CROSS_COMPILERS).filter((target) => target !== own && crossCompiler(target) !== undefined),
  ];
}

/** Where the addon of a target lies in the package. */
function addonFile(target) {
  const tag = target.startsWith('linux-') ? '.glibc' : '';
  return `prebuilds/${target}/fused-bear-loss${tag}.node`;
}

/** Whether a target's addon is there and newer than all that it is made from. A prebuild takes minutes. */
const isCurrent = (target) => isFileCurrent(addonFile(target), ['CMakeLists.txt', 'cmake/cuda.cmake']);

module.exports = { SHIPPED_TARGETS, addonFile, buildTargets, crossCompiler, isCurrent };
