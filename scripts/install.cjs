// In a clone nothing is built at install: `npm ci` must succeed where node-gyp cannot run (no Python, no Node headers).
// In an installed package the prebuilt addon is taken where it fits, else node-gyp builds the CPU addon from source.
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

if (existsSync(join(root, 'tsconfig.build.json'))) {
  console.log(
    'fused-bear-loss: this is a clone, so nothing was built; `npm run build` builds the addon and the library.',
  );
  process.exit(0);
}

const { status } = spawnSync(process.execPath, [require.resolve('node-gyp-build/bin.js')], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
