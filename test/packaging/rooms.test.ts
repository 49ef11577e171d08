// Who may know whom. The native rooms meet only through native/core and, in the binding, backend.h; so a backend can be
// added, compiled and tested without the others.

import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { listFiles, readNativeSources, repositoryRoot } from './support.js';

function read(file: string): string {
  return readFileSync(join(repositoryRoot, file), 'utf8');
}

function filesIn(room: string, extension: RegExp): string[] {
  return listFiles(join(repositoryRoot, room))
    .filter((file) => extension.test(file))
    .map((file) => posix.join(room, file));
}

describe('native rooms', () => {
  const forbidden: Record<string, RegExp> = {
    'native/core': /napi|node_api|cuda|thread|mutex|future|condition_variable|^native\/(?!core\/)/,
    'native/threads': /napi|node_api|cuda|^native\/(?!threads\/)/,
    'native/cpu': /napi|node_api|cuda|^native\/(?!core\/|cpu\/|threads\/)/,
    'native/cuda': /napi|node_api|^native\/(?!core\/|cuda\/)/,
    'native/binding': /cuda_runtime|^native\/(?!core\/|binding\/|threads\/)/,
  };

  it.each(Object.entries(forbidden))('%s includes nothing that it must not know', (room, pattern) => {
    const files = filesIn(room, /\.(h|cc|cu|cuh)$/);
    expect(files.length).toBeGreaterThan(0);
    const violations = files.flatMap((file) =>
      [...read(file).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)]
        .map((match) => match[1] ?? '')
        .filter((included) => pattern.test(included))
        .map((included) => `${file} includes ${included}`),
    );
    expect(violations).toEqual([]);
  });

  it('only the binding knows Node-API', () => {
    const files = filesIn('native', /\.(h|cc|cu|cuh)$/).filter((file) => !file.startsWith('native/binding/'));
    expect(files.filter((file) => /\bNapi::|\bnapi_/.test(read(file)))).toEqual([]);
  });
});

describe('native/sources.json', () => {
  const { rowKernel, benchmark, cuda, ...groups } = readNativeSources();

  it('lists every native source once', () => {
    const listed = [
      ...[...groups.core, ...groups.threads, ...groups.cpu, ...groups.cudaStub, ...groups.binding],
      ...[...rowKernel.sources, ...cuda.kernels, cuda.kernelUnit, ...cuda.host],
    ];
    expect(listed.sort()).toEqual(filesIn('native', /\.(cc|cu)$/).sort());
    expect([...benchmark].sort()).toEqual(filesIn('benchmarks/native', /\.cc$/).sort());
  });

  it('is the only place that names them', () => {
    for (const build of ['CMakeLists.txt', 'binding.gyp']) expect(read(build)).not.toMatch(/\.cc\b/);
  });

  it('has the instruction sets that binding.gyp makes targets of', () => {
    const targets = [...read('binding.gyp').matchAll(/'target_name': 'row_kernel_(\w+)'/g)].map((match) => match[1]);
    expect(targets.sort()).toEqual(Object.keys(rowKernel.instructionSets).sort());
  });

  it('gives no instruction set a flag that lets numbers depend on the build', () => {
    const flags: string[] = JSON.parse(read('native/sources.json')).compileFlags;
    expect(flags).toContain('-ffp-contract=off');
    const all = [...flags, ...Object.values(rowKernel.instructionSets).flat()];
    expect(all.filter((flag) => /fast-math|finite-math|associative|reciprocal|march=native/.test(flag))).toEqual([]);
  });
});

describe('library rooms', () => {
  // What each room may import, beside itself: paths from the repository root.
  const allowed: Record<string, RegExp> = {
    'lib/native': /^(?!)/,
    'lib/loss': /^lib\/native\/|^package\.json$/,
    'lib/decoding': /^lib\/loss\//,
    'lib/adapters': /^lib\/loss\//,
    'lib/cli': /^lib\/index$|^package\.json$/,
    // What any user of the package could import: the recommender shows that the public names are enough.
    'recommender/src': /^fused-bear-loss(\/\w+)?$|^recommender\/package\.json$/,
    // Each room knows those before it, and none after it.
    'recommender/src/random': /^(?!)/,
    'recommender/src/data': /^fused-bear-loss|^recommender\/src\/(random\/|argument-error$|ranges$)/,
    'recommender/src/model': /^fused-bear-loss|^recommender\/src\/((random|data)\/|ranges$)/,
    'recommender/src/training': /^fused-bear-loss|^recommender\/src\/((random|data|model)\/|ranges$)/,
    'recommender/src/comparison':
      /^fused-bear-loss|^recommender\/src\/((random|data|model|training)\/|argument-error$|ranges$)/,
    examples: /^fused-bear-loss(\/\w+)?$/,
    benchmarks: /^fused-bear-loss(\/\w+)?$/,
  };

  function importsOf(file: string): string[] {
    const text = read(file);
    const statements =
      /(?:^|\s)(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]|(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/g;
    return [...text.matchAll(statements)]
      .map((match) => match[1] ?? match[2] ?? '')
      .filter((name) => name.startsWith('.') || name.startsWith('fused-bear-loss'))
      .map((name) => (name.startsWith('.') ? posix.join(dirname(file), name).replace(/\.m?[jt]s$/, '') : name));
  }

  it.each(Object.entries(allowed))('%s imports only what it may know', (room, pattern) => {
    const files = filesIn(room, /\.m?ts$/);
    expect(files.length).toBeGreaterThan(0);
    const violations = files.flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith(`${room}/`) && !pattern.test(name))
        .map((name) => `${file} imports ${name}`),
    );
    expect(violations).toEqual([]);
  });

  it('only lib/native/load-addon.ts loads the addon', () => {
    const files = filesIn('lib', /\.m?ts$/).filter((file) => file !== 'lib/native/load-addon.ts');
    expect(files.filter((file) => /['"]node-gyp-build['"]|require\([^)]*\.node['"]\)/.test(read(file)))).toEqual([]);
  });
});
