// `npm run prebuild`: builds the addon that the package ships, as prebuilds/<platform>-<arch>/fused-bear-loss.<libc>.node.
//
// In package.json this is the script `postprebuild`, and `prebuild` does nothing: npm takes a script called `prebuild`
// for the hook that runs before `build`, and would make every build a prebuild. `npm run prebuild` runs `prebuild` and then
// `postprebuild`; `npm run build` runs `prebuild` and then `build`.
//
// prebuildify names, strips and places the file; scripts/prebuild-backend.cjs stands in for the node-gyp that it calls.
// The build has a folder of its own, so that the addon in build/Release stays what it is.
const { mkdirSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const prebuildify = require('prebuildify');
const { name } = require('../package.json');

const root = join(__dirname, '..');
const folder = join(root, 'build-prebuild');

rmSync(folder, { recursive: true, force: true });
rmSync(join(root, 'prebuilds', `${process.platform}-${process.arch}`), { recursive: true, force: true });
mkdirSync(folder);

prebuildify(
  {
    cwd: folder,
    out: root,
    name,
    napi: true,
    strip: true,
    tagLibc: process.platform === 'linux',
    nodeGyp: join(__dirname, 'prebuild-backend.cjs'),
  },
  (error) => {
    if (!error) return;
    console.error(`fused-bear-loss: no prebuilt addon was made: ${error.message}`);
    process.exit(1);
  },
);
