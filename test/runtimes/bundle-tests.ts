// Tests as plain JavaScript, for runtimes that have neither jest nor a TypeScript loader.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const root = join(__dirname, '..', '..');

/** What every backend must do on every runtime. */
export const CONTRACT_ROOMS = ['contract', 'golden'];

export interface Bundle {
  /** The program to run with test files as its arguments. */
  runner: string;
  testFiles: string[];
  /** Files of the rooms that need jest itself, which replaces modules. */
  leftOut: string[];
}

const COMMON: BuildOptions = {
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  logLevel: 'warning',
};

/** Writes the tests of an installed package, and what runs them, into a folder: package-tests.cjs and run-bundle.cjs. */
export async function bundlePackageTests(folder: string): Promise<void> {
  const entryPoints = [join(__dirname, 'run-bundle.ts'), join(__dirname, 'programs', 'package-tests.ts')];
  await build({ ...COMMON, entryPoints, outdir: folder, entryNames: '[name]', external: ['fused-bear-loss'] });
}

/** Writes the tests of these rooms of test/ into a folder. */
export async function bundleTests(folder: string, rooms: readonly string[]): Promise<Bundle> {
  const all = rooms.flatMap((room) => filesOf(room, '.test.ts'));
  const needsJest = (file: string) => /\bjest\.\w+\(/.test(readFileSync(file, 'utf8'));
  const tests = all.filter((file) => !needsJest(file));
  const probes = filesOf('support', '-probe.ts');
  await build({
    ...COMMON,
    entryPoints: [join(__dirname, 'run-bundle.ts'), ...tests, ...probes],
    outdir: folder,
    outbase: join(root, 'test'),
    define: { PROBE_FOLDER: JSON.stringify(join(folder, 'support')) },
    plugins: [sourceFolders, bundledProbes],
  });
  const nameOf = (file: string) => join(basename(dirname(file)), basename(file).replace(/\.ts$/, ''));
  return {
    runner: join(folder, 'runtimes', 'run-bundle.cjs'),
    testFiles: tests.map((file) => join(folder, `${nameOf(file)}.cjs`)),
    leftOut: all.filter(needsJest).map(nameOf),
  };
}

function filesOf(room: string, ending: string): string[] {
  const folder = join(root, 'test', room);
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

/** Tests find their data by __dirname, which is to stay that of the source. */
const sourceFolders: Plugin = {
  name: 'source-folders',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]test[\\/].*\.ts$/ }, ({ path }) => ({
      contents: `const __dirname = ${JSON.stringify(dirname(path))};\n${readFileSync(path, 'utf8')}`,
      loader: 'ts',
    }));
  },
};

/** Probes are started as they were bundled. */
const bundledProbes: Plugin = {
  name: 'bundled-probes',
  setup({ onResolve }) {
    onResolve({ filter: /\/run-probe$/ }, () => ({ path: join(__dirname, 'run-bundled-probe.ts') }));
  },
};
