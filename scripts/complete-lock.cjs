// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry at hand does
// not offer them. Without those entries `npm ci` refuses the lock on every platform ("Missing: ... from lock file"), with
// them it skips what is not for this one. Run it after an `npm install` that changed a dependency.
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const lockFile = join(__dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(lockFile, 'utf8'));

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

// Such packages are named after what they are for, as in `core-linux-arm64-musl`.
function platformOf(name) {
  const words = name.split(/[/-]/);
  const [os, cpu] = [systems, processors].map((known) => words.find((word) => known.includes(word)));
  return os && cpu ? { cpu: [cpu], os: [os] } : undefined;
}

const added = [];
for (const [parent, { dev, optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const places = [`node_modules/${name}`, `${parent}/node_modules/${name}`];
    const platform = platformOf(name);
    if (places.some((place) => lock.packages[place]) || !platform || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    lock.packages[places[0]] = { version, cpu: platform.cpu, ...(dev && { dev }), optional: true, os: platform.os };
    added.push(`${name}@${version}`);
  }
}

const [root, ...packages] = Object.entries(lock.packages);
packages.sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries([root, ...packages]);
writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
console.log(
  added.length > 0 ? `added to package-lock.json:\n  ${added.join('\n  ')}` : 'package-lock.json was complete',
);
