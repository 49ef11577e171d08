// The contract as a module for pages: it exports `runContract`, and imports the package by its name.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { nodeModulesPolyfillPlugin } from 'esbuild-plugins-node-modules-polyfill';
import { CONTRACT_ROOMS } from '../runtimes/bundle-tests';
import { repositoryRoot } from './support';

/** Test files, as `contract/memory`. */
export const CONTRACT_FILES = CONTRACT_ROOMS.flatMap((room) =>
  readdirSync(join(repositoryRoot, 'test', room))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${room}/${name.replace('.test.ts', '')}`),
);

export async function bundleContract(outfile: string): Promise<void> {
  const loads = CONTRACT_FILES.map((file) => `'${file}': () => require('./${file}.test.ts')`);
  await build({
    stdin: {
      resolveDir: join(repositoryRoot, 'test'),
      contents: `
        import { defineGlobals, runFile } from './runtimes/small-jest.ts';
        defineGlobals();
        globalThis.module = {}; // which programs compare with the one that was started
        const files = { ${loads.join(', ')} };
        export const runContract = (file) => runFile(files[file]);`,
    },
    outfile,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    logLevel: 'warning',
    define: { __dirname: JSON.stringify(GOLDEN_FOLDER), 'process.env.FUSED_BEAR_LOSS_TEST_DEVICE': '"wasm"' },
    // What tests and `expect` take of Node; the package is not in this bundle.
    plugins: [
      publicName,
      goldenFiles,
      nodeModulesPolyfillPlugin({ globals: { Buffer: true, process: true }, fallback: 'empty' }),
    ],
  });
}

const publicName: Plugin = {
  name: 'public-name',
  setup({ onResolve }) {
    onResolve({ filter: /\/lib\/index$/ }, () => ({ path: 'fused-bear-loss', external: true }));
  },
};

/** Where the tests look for their data, in a file system that has nothing else. */
const GOLDEN_FOLDER = '/repository/test/golden';

const goldenFiles: Plugin = {
  name: 'golden-files',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:|graceful-)?fs$/ }, ({ path }) => ({ path, namespace: 'golden-files' }));
    onLoad({ filter: /.*/, namespace: 'golden-files' }, () => ({ contents: fileSystem(), resolveDir: repositoryRoot }));
  },
};

function fileSystem(): string {
  const files = ['own-cases.json', 'authors/manifest.json', 'authors/cases.bin'].map((name) => [
    `${GOLDEN_FOLDER}/${name}`,
    readFileSync(join(repositoryRoot, 'test', 'golden', name), 'base64'),
  ]);
  return `
    const files = ${JSON.stringify(Object.fromEntries(files))};
    export const existsSync = (path) => path in files;
    export function readFileSync(path, encoding) {
      const bytes = Buffer.from(files[path], 'base64');
      return encoding === undefined ? bytes : bytes.toString(encoding);
    }`;
}
