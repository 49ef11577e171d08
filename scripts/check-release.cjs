// `npm run check:release`, and before every `npm publish`: packs the package and refuses it where something is missing, too
// much, too large, or needs a newer system than the README says.
const { execFileSync } = require('node:child_process');
const { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, posix, sep } = require('node:path');
const { SHIPPED_TARGETS, addonFile } = require('./prebuild-targets.cjs');

const root = join(__dirname, '..');
const MEGABYTE = 1e6;
const LARGEST = { packed: 5 * MEGABYTE, unpacked: 14 * MEGABYTE };

const ADDONS = SHIPPED_TARGETS.map(addonFile);
const WITH_CUDA = addonFile('linux-x64');

const MODULE = 'dist/wasm/module-bytes.js';

/** Beside what package.json names. */
const REQUIRED = [...ADDONS, MODULE, 'headers/napi.h', 'headers/node_api.h', 'native/sources.json'];

/** All that may be in the tarball. package.json's `files` names folders; a stray file in one of them fits none of these. */
const KNOWN = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|THIRD_PARTY_NOTICES\.md|CMakeLists\.txt)$/,
  /^bin\/fused-bear-loss\.js$/,
  /^dist\/[\w/-]+\.(js|mjs|d\.ts|d\.mts)$/,
  /^native\/[\w/-]+\.(h|cc|cu)$/,
  /^native\/(sources\.json|exports\.map|cuda\/resource-budget\.json)$/,
  /^cmake\/\w+\.cmake$/,
  /^headers\/([\w.-]+\.h|LICENSE\.node-(addon-api|api-headers))$/,
  /^prebuilds\/(linux-(x64|arm64)|darwin-(x64|arm64)|win32-x64)\/fused-bear-loss(\.glibc)?\.node$/,
];

/** What speaks against publishing an unpacked package, a line each. */
function findProblems(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(folder.length + 1)
        .split(sep)
        .join('/'),
    );
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const unpacked = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  return [
    ...[...REQUIRED, ...filesNamedIn(manifest)]
      .filter((file) => !files.includes(file))
      .map((file) => `${file} is missing`),
    ...files
      .filter((file) => !KNOWN.some((pattern) => pattern.test(file)))
      .map((file) => `${file} does not belong there`),
    ...(unpacked > LARGEST.unpacked ? [`it is ${unpacked / MEGABYTE} MB unpacked`] : []),
    ...ADDONS.filter((file) => files.includes(file)).flatMap((file) => problemsOfAddon(folder, file)),
    ...problemsOfBrowserBuild(folder, files, manifest),
  ];
}

/** What the fields of package.json point at, as paths in the package. */
function filesNamedIn({ main, types, bin, exports }) {
  const leaves = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(leaves));
  return [...new Set(leaves([main, types, bin, exports]).map((file) => posix.normalize(file)))];
}

/** Each entry has one, with the module inside and all that it imports. */
function problemsOfBrowserBuild(folder, files, { exports }) {
  if (!files.includes(MODULE)) return [];
  const [, bytes] = /'([\w+/=]+)'/.exec(readFileSync(join(folder, MODULE), 'utf8')) ?? [];
  if (!WebAssembly.validate(Buffer.from(bytes ?? '', 'base64'))) return [`${MODULE} has no module inside`];
  const entries = Object.entries(exports).filter(([, conditions]) => typeof conditions === 'object');
  return entries.flatMap(([name, conditions]) => {
    if (conditions.import?.browser === undefined) return [`package.json names no browser build of ${name}`];
    const entry = posix.normalize(conditions.import.browser);
    if (!files.includes(entry)) return [];
    const imported = importedBy(folder, entry);
    const missing = [...imported].filter((file) => !files.includes(file));
    if (missing.length > 0) return missing.map((file) => `${entry} imports ${file}, which is missing`);
    const hasModule = [...imported].some((file) => readFileSync(join(folder, file), 'utf8').includes(bytes));
    return hasModule ? [] : [`${entry} has not the module inside that ${MODULE} has`];
  });
}

/** A file of ES modules, and what it imports from the package. */
function importedBy(folder, file, found = new Set()) {
  found.add(file);
  if (!existsSync(join(folder, file))) return found;
  const text = readFileSync(join(folder, file), 'utf8');
  for (const [, path] of text.matchAll(/\b(?:from|import)\b[\s(]*["'](\.{1,2}\/[^"']+)["']/g)) {
    const imported = posix.join(posix.dirname(file), path);
    if (!found.has(imported)) importedBy(folder, imported, found);
  }
  return found;
}

function problemsOfAddon(folder, file) {
  const promised = /glibc (\d+\.\d+) or later/.exec(readFileSync(join(folder, 'README.md'), 'utf8'))?.[1];
  if (promised === undefined) return ['README.md names no glibc'];
  const needed = neededGlibc(join(folder, file));
  return [
    ...(isNewer(needed, promised) ? [`${file} needs glibc ${needed}, and README.md says ${promised}`] : []),
    ...(file === WITH_CUDA && !readelf('--sections', join(folder, file)).includes('.nv_fatbin')
      ? [`${file} has no CUDA inside`]
      : []),
  ];
}

/** The newest version of glibc's symbols that an addon asks for. Throws where it asks for versions of another library. */
function neededGlibc(file) {
  const versions = [...readelf('--version-info', file).matchAll(/Name: ([A-Z]+)_(\d+(?:\.\d+)*)/g)];
  const foreign = versions.filter(([, name]) => name !== 'GLIBC');
  if (foreign.length > 0) throw new Error(`${file} needs ${foreign[0][1]}_${foreign[0][2]}`);
  return versions.map(([, , version]) => version).reduce((a, b) => (isNewer(b, a) ? b : a), '0');
}

function readelf(option, file) {
  return execFileSync('readelf', [option, '--wide', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function isNewer(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const first = left.findIndex((part, at) => part !== (right[at] ?? 0));
  return first !== -1 && left[first] > (right[first] ?? 0);
}

function main() {
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-release-'));
  try {
    // Not by `npm pack` itself, which would mix what it runs into what it reports.
    execFileSync('npm', ['run', '--silent', 'prepack'], { cwd: root, stdio: 'inherit' });
    const packing = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
    const [{ filename, size, unpackedSize }] = JSON.parse(
      execFileSync('npm', packing, { cwd: root, encoding: 'utf8' }),
    );
    execFileSync('tar', ['-xzf', join(folder, filename), '-C', folder]);
    const problems = findProblems(join(folder, 'package'));
    if (size > LARGEST.packed) problems.push(`the tarball is ${size / MEGABYTE} MB`);
    console.log(
      `${filename}: ${(size / MEGABYTE).toFixed(2)} MB packed, ${(unpackedSize / MEGABYTE).toFixed(2)} MB unpacked`,
    );
    for (const problem of problems) console.error(`not to be published: ${problem}`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } finally {
    if (existsSync(folder)) rmSync(folder, { recursive: true });
  }
}

module.exports = { findProblems, neededGlibc };

if (require.main === module) main();
