// npm run pack:device-check: all that the check needs on a machine with a card, a driver and perhaps Python, but with neither
// network nor Node, in one archive. What is in it lies as it lies in the checkout, so the same commands run there.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { program } from 'commander';
import { build } from './builds';
import { listPackedSources } from './packed-sources';

const root = resolve(__dirname, '..', '..');
const archiveName = 'device-check.tar.xz';
/** What a folder that is carried to another machine may hold is bounded. */
const mostBytes = 50e6;

/** The first two must be there; without nvcc there is no program for a card. */
const binaries = [
  'build/Release/fused_bear_loss.node',
  'build/emulated/build/Release/fused_bear_loss.node',
  'build/device-check-emulated/device_check',
  'build/device-check/device_check',
];
/** What runs there: the package's dependencies, TypeScript, and the tests. */
const packages = ['commander', 'node-gyp-build', 'tsx', 'cli-table3', 'jest', '@swc/core', '@swc/jest', 'fast-check'];
const isNeeded = (file: string) => !/\.(map|md|d\.[cm]?ts|flow)$|[\\/]benchmarks[\\/]results$/.test(file);

interface Lock {
  packages: Record<string, { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> }>;
}

/** The folders in node_modules that these packages load, as Node finds them. */
function closureOf(names: readonly string[]): Set<string> {
  const lock: Lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const found = new Set<string>();
  const visit = (from: string, name: string) => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
      const place = `${folder ? `${folder}/` : ''}node_modules/${name}`;
      const entry = lock.packages[place];
      // Binaries for other systems are listed and not installed.
      if (entry && existsSync(join(root, place))) {
        if (found.has(place)) return;
        found.add(place);
        for (const each of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) visit(place, each);
        return;
      }
      if (folder === '') return;
    }
  };
  for (const name of names) visit('', name);
  return found;
}

/** Without symbols, where there is a tool that takes them away. */
function copyBinary(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  spawnSync('strip', [to]);
}

function stage(folder: string): void {
  for (const source of listPackedSources(root))
    cpSync(join(root, source), join(folder, source), { recursive: true, filter: isNeeded });
  for (const place of closureOf(packages)) {
    cpSync(join(root, place), join(folder, place), { recursive: true, filter: isNeeded, dereference: true });
  }
  for (const binary of binaries) {
    const isOptional = binary === binaries.at(-1);
    if (existsSync(join(root, binary))) copyBinary(join(root, binary), join(folder, binary));
    else if (isOptional) console.log(`${binary} was not built, as there is no nvcc: this archive can only rehearse`);
    else throw new Error(`${binary} is not there`);
  }
  copyBinary(process.execPath, join(folder, 'node'));
  copyFileSync(join(__dirname, 'run.sh'), join(folder, 'run.sh'));
  const { stdout, status } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' });
  writeFileSync(join(folder, 'commit'), status === 0 ? stdout : 'unknown\n');
}

function pack(archive: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'fused-bear-loss-pack-'));
  try {
    stage(folder);
    mkdirSync(dirname(archive), { recursive: true });
    execFileSync('tar', ['-C', folder, '-I', 'xz -4 -T0', '-cf', archive, '.'], { stdio: 'inherit' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { size } = statSync(archive);
  console.log(`${archive}: ${(size / 1e6).toFixed(1)} MB`);
  if (size > mostBytes) throw new Error(`the archive is larger than ${mostBytes / 1e6} MB`);
}

/** So that git neither lists nor adds it. */
function ignore(folder: string): void {
  const { stdout, status } = spawnSync('git', ['rev-parse', '--git-path', 'info/exclude'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) return;
  const file = resolve(root, stdout.trim());
  const line = `/${basename(folder)}/`;
  mkdirSync(dirname(file), { recursive: true });
  if (!existsSync(file) || !readFileSync(file, 'utf8').split('\n').includes(line)) appendFileSync(file, `${line}\n`);
}

const options = program
  .name('npm run pack:device-check --')
  .description(
    'Builds and packs what the check needs, so that `bash run.sh` makes it where there is neither network nor Node.',
  )
  .option('--out <file>', 'the archive', join(root, 'build', archiveName))
  .option(
    '--folder <name>',
    'a folder for the archive and run.sh, to carry to a machine; git ignores one of the checkout',
  )
  .parse()
  .opts<{ out: string; folder?: string }>();

build('archive', root);
if (options.folder === undefined) {
  pack(resolve(options.out));
} else {
  const folder = resolve(root, options.folder);
  if (dirname(folder) === root) ignore(folder);
  pack(join(folder, archiveName));
  copyFileSync(join(__dirname, 'run.sh'), join(folder, 'run.sh'));
}
