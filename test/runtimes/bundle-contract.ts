// The contract as plain JavaScript, for runtimes that have neither jest nor a TypeScript loader.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = join(__dirname, '..', '..');
const ROOMS = ['contract', 'golden'];

export interface Bundle {
  /** The program to run with `testFiles` as its arguments. */
  runner: string;
  testFiles: string[];
}

/** Writes the bundle into a folder. `launcher` is the command that starts the runtime for a file. */
export async function bundleContract(folder: string, launcher: readonly string[]): Promise<Bundle> {
  const tests = ROOMS.flatMap((room) =>
    readdirSync(join(root, 'test', room))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(root, 'test', room, name)),
  );
  const probes = readdirSync(join(root, 'test', 'support'))
    .filter((name) => name.endsWith('-probe.ts'))
    .map((name) => join(root, 'test', 'support', name));
  await build({
    entryPoints: [join(__dirname, 'run-bundle.ts'), ...tests, ...probes],
    outdir: folder,
    outbase: join(root, 'test'),
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'warning',
    define: { PROBE_LAUNCHER: JSON.stringify(launcher), PROBE_FOLDER: JSON.stringify(join(folder, 'support')) },
    plugins: [sourceFolders, bundledProbes],
  });
  const bundled = (file: string) => join(folder, basename(dirname(file)), basename(file).replace(/\.ts$/, '.cjs'));
  return { runner: join(folder, 'runtimes', 'run-bundle.cjs'), testFiles: tests.map(bundled) };
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
