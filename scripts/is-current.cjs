// Whether something that takes long to build can stay.
const { existsSync, readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

/** Whether the file is there, and newer than all of native/ and the others, which are relative to the repository. */
function isCurrent(file, others) {
  if (!existsSync(join(root, file))) return false;
  const sources = readdirSync(join(root, 'native'), { recursive: true }).map((name) => join('native', name));
  const changes = [...sources, ...others].map((name) => statSync(join(root, name)).mtimeMs);
  return statSync(join(root, file)).mtimeMs > Math.max(...changes);
}

module.exports = { isCurrent };
