// Builds dist/browser from the same sources as dist/: ES modules that import nothing but each other and the optional peers.
// A file `x.browser.mts` beside `x.ts` takes its place there. Prints the size of each entry with all that it imports.
const { existsSync, readFileSync, rmSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { gzipSync } = require('node:zlib');
const { build } = require('esbuild');

const root = join(__dirname, '..');
const folder = join(root, 'dist', 'browser');
const { peerDependencies, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const ENTRIES = {
  index: 'lib/index.ts',
  cuda: 'lib/cuda/index.ts',
  decoding: 'lib/decoding/index.ts',
  jax: 'lib/adapters/jax.ts',
  tfjs: 'lib/adapters/tfjs.ts',
};

const counterparts = {
  name: 'counterparts',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\..*\.js$/ }, ({ path, resolveDir }) => {
      const counterpart = resolve(resolveDir, path.replace(/\.js$/, '.browser.mts'));
      return existsSync(counterpart) ? { path: counterpart } : undefined;
    });
    // The rest of it is of no use to a page.
    onLoad({ filter: /[\\/]package\.json$/ }, () => ({ contents: JSON.stringify({ version }), loader: 'json' }));
  },
};

async function main() {
  rmSync(folder, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    // Without the names, which people read in stack traces and bundlers shorten anyway.
    minifySyntax: true,
    minifyWhitespace: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: Object.keys(peerDependencies),
    plugins: [counterparts],
    metafile: true,
    logLevel: 'warning',
  });
  const { outputs } = metafile;
  for (const [name, source] of Object.entries(ENTRIES)) {
    const [file] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === source);
    const bytes = Buffer.concat(filesOf(file, outputs).map((each) => readFileSync(join(root, each))));
    const kilobytes = (size) => `${(size / 1000).toFixed(0)} KB`;
    console.log(`${file}: ${kilobytes(bytes.length)}, ${kilobytes(gzipSync(bytes).length)} with gzip`);
  }
}

/** A file and all that it imports. */
function filesOf(file, outputs, found = new Set()) {
  found.add(file);
  for (const { path, external } of outputs[file].imports) if (!external && !found.has(path)) filesOf(path, outputs, found);
  return [...found];
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
