#!/usr/bin/env node
// What prebuildify takes for node-gyp. Its arguments are node-gyp's, which cmake-js would read otherwise (`--target` names
// a build target there), so none is passed on: the addon uses Node-API and needs no version of Node.
// A shipped Linux addon has CUDA inside; FBL_CUDA=OFF in the environment makes one without.
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');

const root = join(__dirname, '..');
const cuda = process.env.FBL_CUDA ?? (process.platform === 'linux' ? 'ON' : 'OFF');
const { status } = spawnSync(
  process.execPath,
  [
    require.resolve('cmake-js/bin/cmake-js'),
    'rebuild',
    '--directory',
    root,
    '--out',
    join(process.cwd(), 'build'),
    `--CDFBL_CUDA=${cuda}`,
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
