// What of the checkout goes into the archive of the check.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

/** Of the rooms of the project `cuda`; the others hold what these import. */
const testRooms = ['contract', 'cuda', 'golden'].map((room) => `test/${room}`);

const folders = [
  'lib',
  'dist',
  'benchmarks',
  ...testRooms,
  ...['loss', 'reference', 'support'].map((room) => `test/${room}`),
];
const files = ['package.json', 'jest.config.cjs'];
const programs = ['main', 'node-checks'].map((name) => `benchmarks/device-check/${name}.ts`);

/** Files and folders of the checkout: what runs on the other machine, and whatever that imports from elsewhere. */
export function listPackedSources(root: string): string[] {
  const tests = testRooms.flatMap((room) =>
    readdirSync(join(root, room), { encoding: 'utf8', recursive: true })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(room, name)),
  );
  const { metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: [...programs, ...tests],
    // Nothing is written: the list of what was bundled is all that is wanted.
    ...{ bundle: true, write: false, outdir: 'build', metafile: true, logLevel: 'error' },
    ...{ platform: 'node', packages: 'external' },
  });
  const isListed = (file: string) => files.includes(file) || folders.some((folder) => file.startsWith(`${folder}/`));
  return [...files, ...folders, ...Object.keys(metafile.inputs).filter((file) => !isListed(file))];
}
