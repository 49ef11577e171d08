// Damages every file of a run's folder in many ways. Whoever reads the folder must refuse it by the name of the file.
// RUN_FOLDER_SEED draws other places and bits; RUN_FOLDER_CASES, how many of them for each file.
import { createHash } from 'node:crypto';
import {
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { compare } from '../../src/comparison/compare';
import { parseVariant } from '../../src/comparison/variants';
import { syntheticDataset } from '../../src/data/synthetic-data';
import { Random } from '../../src/random/random';
import { openTrainedRun } from '../../src/training/recommend';
import { run } from '../../src/training/run';
import type { RunOptions } from '../../src/training/run-options';
import { openWorkbench, type Workbench } from '../../src/training/workbench';
import { contentOf, openTinyWorkbench, TINY_RUN, withFolder } from '../support/recommender';

jest.setTimeout(5 * 60_000);

const SEED = Number(process.env.RUN_FOLDER_SEED ?? 1);
const CASES = Number(process.env.RUN_FOLDER_CASES ?? 8);

// As `compare` names and trains it.
const VARIANT = parseVariant('hinge,lambda=0.25');
const OPTIONS: RunOptions = { ...TINY_RUN, ...VARIANT.settings };
const RUN_NAME = join('runs', 'hinge_lambda_0.25-seed-1');

interface Damage {
  name: string;
  /** Changes `file`; false where it is as before. */
  apply: (file: string) => void;
}

let workbench: Workbench;

beforeAll(async () => {
  workbench = await openTinyWorkbench();
});

/** Whole runs to take files from: same options and data, another seed, other data, more epochs. */
async function trainOthers(root: string): Promise<string[]> {
  const otherData = await openWorkbench(syntheticDataset({ items: 30, users: 20, purchases: 7 }, 6), OPTIONS);
  const others: [string, Workbench, RunOptions][] = [
    ['twin', workbench, OPTIONS],
    ['other-seed', workbench, { ...OPTIONS, seed: 2 }],
    ['other-data', otherData, OPTIONS],
    ['longer', workbench, { ...OPTIONS, epochs: 4 }],
  ];
  for (const [name, bench, options] of others) await run(bench, options, join(root, name));
  return others.map(([name]) => join(root, name));
}

function bytesDamages(random: Random): Damage[] {
  const rewrite = (change: (content: Buffer) => Buffer) => (file: string) =>
    writeFileSync(file, change(readFileSync(file)));
  const flip = (place: (length: number) => number): Damage['apply'] =>
    rewrite((content) => {
      const index = place(content.length);
      content[index] = (content[index] as number) ^ (1 << random.integer(8));
      return content;
    });
  const places = Array.from({ length: CASES }, () => random.uniform());
  return [
    ...places.map((share) => ({ name: 'a bit flipped', apply: flip((length) => Math.floor(share * length)) })),
    // Heads hold lengths and digests.
    ...[0, 8, 15, 40, 90].map((byte) => ({ name: `a bit flipped in byte ${byte}`, apply: flip(() => byte) })),
    { name: 'a bit flipped in the last byte', apply: flip((length) => length - 1) },
    ...places.map((share) => ({
      name: 'cut short',
      apply: rewrite((content) => content.subarray(0, Math.floor(share * content.length))),
    })),
    { name: 'the last byte cut off', apply: rewrite((content) => content.subarray(0, -1)) },
    { name: 'emptied', apply: rewrite(() => Buffer.alloc(0)) },
    { name: 'a byte more', apply: rewrite((content) => Buffer.concat([content, Buffer.from('\n')])) },
    { name: 'written twice', apply: rewrite((content) => Buffer.concat([content, content])) },
    { name: 'zeros', apply: rewrite((content) => Buffer.alloc(content.length)) },
    {
      name: 'a block exchanged',
      apply: rewrite((content) => {
        const middle = content.length >> 1;
        return Buffer.concat([content.subarray(middle), content.subarray(0, middle)]);
      }),
    },
    { name: 'something else', apply: (file) => writeFileSync(file, '{"mine": true}\n') },
    { name: 'null', apply: (file) => writeFileSync(file, 'null') },
  ];
}

/** JSON that is as valid as before, with one number or text changed; tensors have it in their header. */
function jsonDamages(random: Random): Damage[] {
  const change = (pattern: RegExp, by: (found: string) => string) => (file: string) => {
    const content = readFileSync(file, 'latin1');
    const found = [...content.matchAll(pattern)];
    const match = found[random.integer(found.length)];
    if (!match) return;
    const end = match.index + match[0].length;
    writeFileSync(file, content.slice(0, match.index) + by(match[0]) + content.slice(end), 'latin1');
  };
  const digits = /(?<=[:,[])\d+(?=[,\]}])/g;
  return Array.from({ length: CASES }, () => [
    {
      name: 'a number of its JSON changed',
      apply: change(digits, (text) => text.replace(/\d/, (digit) => `${(Number(digit) % 9) + 1}`)),
    },
    { name: 'a number of its JSON taken away', apply: change(/(?<=[[,])\d+,/g, () => '') },
    { name: 'a word of its JSON changed', apply: change(/[a-z]{4,}/g, (word) => word.toUpperCase()) },
    { name: 'a space more in its JSON', apply: change(/,/g, () => ', ') },
  ]).flat();
}

function placeDamages(others: readonly string[], fileName: string, root: string): Damage[] {
  const replaceBy = (make: (file: string) => void) => (file: string) => {
    rmSync(file);
    make(file);
  };
  return [
    ...others.map((other) => ({
      name: `that of ${other}`,
      apply: (file: string) => writeFileSync(file, readFileSync(join(other, fileName))),
    })),
    ...readdirSync(others[0] as string)
      .filter((name) => name !== fileName)
      .map((name) => ({
        name: `what ${name} holds`,
        apply: (file: string) => writeFileSync(file, readFileSync(join(others[0] as string, name))),
      })),
    { name: 'a folder', apply: replaceBy((file) => mkdirSync(file)) },
    { name: 'a link to nothing', apply: replaceBy((file) => symlinkSync(join(root, 'nothing'), file)) },
    { name: 'a link to itself', apply: replaceBy((file) => symlinkSync(file, file)) },
    { name: 'a link to a device without an end', apply: replaceBy((file) => symlinkSync('/dev/zero', file)) },
    {
      name: 'a link to that of another run',
      apply: replaceBy((file) => symlinkSync(join(others[1] as string, fileName), file)),
    },
    {
      name: 'a link to itself, moved away',
      apply: (file) => {
        rmSync(join(root, 'moved'), { force: true });
        renameSync(file, join(root, 'moved'));
        symlinkSync(join(root, 'moved'), file);
      },
    },
  ];
}

/** Of what is there, links and folders too. */
function fingerprint(path: string): string {
  const found = lstatSync(path);
  return found.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : `${found.mode}`;
}

function stateOf(folder: string): string[] {
  return readdirSync(folder).map((name) => `${name} ${fingerprint(join(folder, name))}`);
}

it('of a damaged folder nothing is read, by no command, and nothing in it is written', () =>
  withFolder(async (root) => {
    const comparison = join(root, 'comparison');
    const folder = join(comparison, RUN_NAME);
    await compare({ workbench, shared: TINY_RUN, variants: [VARIANT], seeds: [1] }, comparison);
    const others = await trainOthers(root);
    const whole = join(root, 'whole');
    cpSync(folder, whole, { recursive: true });
    const readers: [string, () => Promise<unknown>][] = [
      ['recommend', () => openTrainedRun(folder)],
      ['train --resume', () => run(workbench, OPTIONS, folder, { resume: true })],
      ['compare', () => compare({ workbench, shared: TINY_RUN, variants: [VARIANT], seeds: [1] }, comparison)],
    ];
    const random = new Random(SEED);
    const unnoticed: string[] = [];
    const counts: Record<string, number> = {};
    // Every file, also one that a later version adds.
    for (const fileName of readdirSync(whole)) {
      const damages = [...bytesDamages(random), ...jsonDamages(random), ...placeDamages(others, fileName, root)];
      for (const { name, apply } of damages) {
        const file = join(folder, fileName);
        rmSync(folder, { recursive: true });
        cpSync(whole, folder, { recursive: true });
        const before = fingerprint(file);
        apply(file);
        // A twin has the same data, and not every file has such a place.
        if (fingerprint(file) === before) continue;
        counts[fileName] = (counts[fileName] ?? 0) + 1;
        const damaged = stateOf(folder);
        for (const [reader, read] of readers) {
          const outcome = await read().then(
            () => 'no error',
            (error: Error) => error.message,
          );
          // By its name, and with what to do.
          const isNamed = outcome.startsWith(`${file}: `) && outcome.includes('; put back a copy of it, or ');
          if (!isNamed) unnoticed.push(`${reader}: ${fileName}: ${name}: ${outcome}`);
        }
        if (!isDeepStrictEqual(stateOf(folder), damaged))
          unnoticed.push(`${fileName}: ${name}: the folder was written`);
      }
    }
    expect(unnoticed).toEqual([]);
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(Object.keys(counts).sort()).toEqual(readdirSync(whole).sort());
    process.stderr.write(
      `damaged run folders (seed ${SEED}): ${total}, unnoticed: ${unnoticed.length}; ${JSON.stringify(counts)}\n`,
    );
    // Without damage all of them take it.
    rmSync(folder, { recursive: true });
    cpSync(whole, folder, { recursive: true });
    for (const [, read] of readers) await read();
    expect(Object.keys(contentOf(folder)).sort()).toEqual(readdirSync(whole).sort());
  }));
