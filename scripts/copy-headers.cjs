// Copies the headers of Node-API and of its C++ wrapper to headers/, for the tarball: `fused-bear-loss build` needs them, and
// the package depends on nothing.
const { cpSync, mkdirSync, readdirSync, rmSync } = require('node:fs');
const { dirname, join } = require('node:path');

const headers = join(__dirname, '..', 'headers');

rmSync(headers, { recursive: true, force: true });
mkdirSync(headers);
for (const [name, folder] of [
  ['node-addon-api', '.'],
  ['node-api-headers', 'include'],
]) {
  const root = dirname(require.resolve(`${name}/package.json`));
  for (const file of readdirSync(join(root, folder)).filter((entry) => entry.endsWith('.h'))) {
    cpSync(join(root, folder, file), join(headers, file));
  }
  const licence = readdirSync(root).find((entry) => /^LICENSE/.test(entry));
  cpSync(join(root, licence), join(headers, `LICENSE.${name}`));
}
