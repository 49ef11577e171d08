// Which systems this one can build for.
const { spawnSync } = require('node:child_process');

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

module.exports = { buildTargets, crossCompiler };
