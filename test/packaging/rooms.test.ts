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

interface Room {
  room: string;
  /** Rooms, files, or the public names. */
  known: string[];
}

const PUBLIC_NAMES = 'the public names';

/** The table of docs/architecture.md. */
const tableOfRooms = read('docs/architecture.md')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, room, , known]) => (known ?? '') !== '' && /^`[\w/-]+`$/.test(room ?? ''))
  .map(([, room, , known]): Room => {
    const named = [...(known ?? '').matchAll(/`([^`]+)`|(the public names)/g)].map((match) => match[1] ?? PUBLIC_NAMES);
    return { room: (room ?? '').slice(1, -1), known: named };
  });

function isKnown(name: string, known: readonly string[]): boolean {
  return known.some((each) =>
    each === PUBLIC_NAMES
      ? /^fused-bear-loss(\/\w+)?$/.test(name)
      : name === each.replace(/\.json$/, '') || name === each || name.startsWith(`${each}/`),
  );
}

it('docs/architecture.md has every room in its table', () => {
  const rooms = tableOfRooms.map(({ room }) => room);
  const folders = ['native', 'lib', 'recommender/src'].flatMap((parent) =>
    [...new Set(listFiles(join(repositoryRoot, parent)).flatMap((file) => file.match(/^[\w-]+(?=\/)/) ?? []))].map(
      (name) => `${parent}/${name}`,
    ),
  );
  expect(folders.filter((folder) => !rooms.includes(folder) && folder !== 'recommender/src/cli')).toEqual([]);
});

describe('native rooms', () => {
  // Headers that a room must not know, beside the rooms that the table leaves out.
  const forbidden: Record<string, RegExp> = {
    'native/core': /napi|node_api|cuda|thread|mutex|future|condition_variable/,
    'native/threads': /napi|node_api|cuda/,
    'native/cpu': /napi|node_api|cuda/,
    'native/cuda': /napi|node_api/,
    'native/binding': /cuda_runtime/,
    'native/wasm': /napi|node_api|cuda|iostream|mutex|condition_variable/,
  };

  const knownTo = (room: string) => [room, ...(tableOfRooms.find((each) => each.room === room)?.known ?? [])];

  it.each(Object.entries(forbidden))('%s includes nothing that it must not know', (room, pattern) => {
    const files = filesIn(room, /\.(h|cc|cu|cuh)$/);
    expect(files.length).toBeGreaterThan(0);
    const violations = files.flatMap((file) =>
      [...read(file).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)]
        .map((match) => match[1] ?? '')
        .filter((included) =>
          included.startsWith('native/') ? !isKnown(included, knownTo(room)) : pattern.test(included),
        )
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
  const { rowKernel, benchmark, cuda, deviceCheck, wasm, fastBinding, smallCpu, ...groups } = readNativeSources();

  it('lists every native source once', () => {
    const listed = [
      ...[...groups.core, ...groups.threads, ...groups.cpu, ...groups.cudaStub, ...groups.binding],
      ...[...wasm.sources, ...rowKernel.sources, ...cuda.kernels, cuda.kernelUnit, ...cuda.host],
    ];
    expect(listed.sort()).toEqual(filesIn('native', /\.(cc|cu)$/).sort());
    expect([...benchmark].sort()).toEqual(filesIn('benchmarks/native', /\.cc$/).sort());
    const ofCheck = [...deviceCheck.sources, ...deviceCheck.kernels];
    expect(ofCheck.sort()).toEqual(filesIn('benchmarks/device-check', /\.(cc|cu)$/).sort());
  });

  it('takes what is compiled for speed or for size from its lists', () => {
    expect(fastBinding.length).toBeGreaterThan(0);
    expect(groups.binding).toEqual(expect.arrayContaining(fastBinding));
    expect(smallCpu.length).toBeGreaterThan(0);
    expect(groups.cpu).toEqual(expect.arrayContaining(smallCpu));
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
  function importsOf(file: string): string[] {
    const text = read(file);
    const statements =
      /(?:^|\s)(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]|(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/g;
    return [...text.matchAll(statements)]
      .map((match) => match[1] ?? match[2] ?? '')
      .filter((name) => name.startsWith('.') || name.startsWith('fused-bear-loss'))
      .map((name) => (name.startsWith('.') ? posix.join(dirname(file), name).replace(/\.m?[jt]s$/, '') : name));
  }

  it.each(tableOfRooms.filter(({ room }) => !room.startsWith('native/')))(
    '$room imports only what it may',
    ({ room, known }) => {
      const files = filesIn(room, /\.m?ts$/);
      expect(files.length).toBeGreaterThan(0);
      const violations = files.flatMap((file) =>
        importsOf(file)
          .filter((name) => !isKnown(name, [room, ...known]))
          .map((name) => `${file} imports ${name}`),
      );
      expect(violations).toEqual([]);
    },
  );

  it('has no circle of imports, those of types included', () => {
    const files = ['lib', 'recommender/src'].flatMap((folder) => filesIn(folder, /\.m?ts$/));
    const imported = new Map(files.map((file) => [file.replace(/\.ts$/, ''), importsOf(file)]));
    const finished = new Set<string>();
    const circleFrom = (file: string, path: string[]): string[] => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
      if (finished.has(file)) return [];
      for (const next of imported.get(file) ?? []) {
        const circle = circleFrom(next, [...path, file]);
        if (circle.length > 0) return circle;
      }
      finished.add(file);
      return [];
    };
    expect(imported.size).toBeGreaterThan(100);
    for (const file of imported.keys()) expect(circleFrom(file, [])).toEqual([]);
  });

  it('only lib/native/load-addon.ts loads the addon', () => {
    const files = filesIn('lib', /\.m?ts$/).filter((file) => file !== 'lib/native/load-addon.ts');
    expect(files.filter((file) => /['"]node-gyp-build['"]|require\([^)]*\.node['"]\)/.test(read(file)))).toEqual([]);
  });

  it('lib imports no module of Node, which a bundle of ES modules could not', () => {
    const files = filesIn('lib', /\.m?ts$/).filter((file) => !file.startsWith('lib/cli/'));
    const imports = /^import (?!type\b)[^;]*from 'node:|require\('node:/m;
    expect(files.filter((file) => imports.test(read(file)))).toEqual([]);
  });
});
