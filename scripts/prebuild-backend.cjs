#!/usr/bin/env node
// What prebuildify takes for node-gyp. Its arguments are node-gyp's, which cmake-js would read otherwise (`--target` names
// a build target there), so none is passed on: the addon uses Node-API and needs no version of Node. The target is in the
// environment.
// The addon of linux-x64 has CUDA inside; FBL_CUDA=OFF in the environment makes one without.
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { crossCompiler } = require('./prebuild-targets.cjs');

const root = join(__dirname, '..');
const { PREBUILD_PLATFORM: platform, PREBUILD_ARCH: arch } = process.env;
const target = `${platform}-${arch}`;
const settings = {
  FBL_WARNINGS_AS_ERRORS: 'OFF',
  FBL_CUDA: target === 'linux-x64' ? (process.env.FBL_CUDA ?? 'ON') : 'OFF',
};
if (target !== `${process.platform}-${process.arch}`) {
  const { prefix, processor } = crossCompiler(target);
  Object.assign(settings, {
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: processor,
    CMAKE_CXX_COMPILER: `${prefix}g++`,
  });
}
const { status } = spawnSync(
  process.execPath,
  [
    require.resolve('cmake-js/bin/cmake-js'),
    'rebuild',
    '--directory',
    root,
    '--out',
    join(process.cwd(), 'build'),
    // The kernels are written in GCC's vector extensions, which Visual Studio's own compiler lacks.
    ...(platform === 'win32' ? ['--toolset', 'ClangCL'] : []),
    ...Object.entries(settings).map(([name, value]) => `--CD${name}=${value}`),
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
