// Builds the WebAssembly module (native/wasm) and writes it into dist/, as text inside JavaScript: bundlers lose a .wasm
// file of a dependency. Where no compiler makes WebAssembly, says so in one line and leaves the rest of the package as it
// is; with --required it fails.
const { execFile, spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');
const { promisify } = require('node:util');

const { isCurrent } = require('./is-current.cjs');

const root = join(__dirname, '..');
const objects = join(root, 'build', 'wasm');
const moduleFile = join(objects, 'fused_bear_loss.wasm');
const bytesFile = join(root, 'dist', 'wasm', 'module-bytes.js');

const { compileFlags, defines, rowKernel, wasm } = JSON.parse(
  readFileSync(join(root, 'native', 'sources.json'), 'utf8'),
);

// Clang's own search misses libc++ where a distribution puts it beside the C library, as Debian does.
const headers = '/usr/include/wasm32-wasi/c++/v1';
const includes = [...(existsSync(headers) ? ['-isystem', headers] : []), `-I${root}`];
const flags = [...compileFlags, ...wasm.flags, ...includes];

function findCompiler() {
  const named = process.env.FUSED_BEAR_LOSS_WASM_CXX;
  const candidates = named ? [named] : ['clang++-16', 'clang++-17', 'clang++-18', 'clang++-19', 'clang++'];
  return candidates.find(makesModules);
}

// With the C++ library and a linker, which are packages of their own.
function makesModules(compiler) {
  const program = '#include <cstdlib>\n#include <vector>\nextern "C" void* f() { return std::malloc(1); }\n';
  const output = join(objects, 'probe.wasm');
  const args = [...flags, ...wasm.linkFlags, '-x', 'c++', '-', '-o', output];
  return spawnSync(compiler, args, { input: program, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

async function compile(compiler, source, extra) {
  const object = join(objects, basename(source).replace(/\.cc$/, '.o'));
  const launcher = process.env.CMAKE_CXX_COMPILER_LAUNCHER;
  const macros = [...defines, ...wasm.defines].map((define) => `-D${define}`);
  const args = [...flags, ...extra, ...macros, '-Wall', '-Wextra', '-Werror', '-c', join(root, source), '-o', object];
  await promisify(execFile)(...(launcher ? [launcher, [compiler, ...args]] : [compiler, args]));
  return object;
}

async function main() {
  // Every build calls this, and most change no native source.
  if (isCurrent('dist/wasm/module-bytes.js', ['scripts/build-wasm.cjs'])) return;
  mkdirSync(objects, { recursive: true });
  // A module that is older than what it was built from must not stay.
  for (const file of [moduleFile, bytesFile]) rmSync(file, { force: true });
  const compiler = findCompiler();
  if (compiler === undefined) {
    console.log(
      'fused-bear-loss: the WebAssembly module was not built, as no clang++ here makes WebAssembly (Debian: clang-16 lld-16 wasi-libc libc++-16-dev-wasm32 libc++abi-16-dev-wasm32 libclang-rt-16-dev-wasm32).',
    );
    process.exitCode = process.argv.includes('--required') ? 1 : 0;
    return;
  }
  const files = await Promise.all([
    ...rowKernel.sources.map((source) => compile(compiler, source, [])),
    ...[...wasm.sources, ...wasm.shared].map((source) => compile(compiler, source, wasm.smallFlags)),
  ]);
  const link = spawnSync(compiler, [...wasm.linkFlags, ...files, '-o', moduleFile], { stdio: 'inherit' });
  if (link.status !== 0) throw new Error(`${compiler} could not link the WebAssembly module`);
  const bytes = readFileSync(moduleFile);
  if (bytes.length > wasm.mostBytes) {
    throw new Error(`the WebAssembly module has ${bytes.length} bytes, more than the ${wasm.mostBytes} it may have`);
  }
  mkdirSync(join(root, 'dist', 'wasm'), { recursive: true });
  writeFileSync(bytesFile, `// Written by npm run build:wasm.\nexports.base64 =\n  '${bytes.toString('base64')}';\n`);
  console.log(`fused-bear-loss: the WebAssembly module has ${bytes.length} bytes.`);
}

main().catch((error) => {
  console.error(error.stderr ?? error);
  process.exitCode = 1;
});
