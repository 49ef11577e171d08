// Writes test/golden/authors: the cases of the full golden set that a clone without it tests against, bytes unchanged.
//
//   npx tsx test/support/write-golden-selection.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FULL_GOLDEN_FOLDER, SELECTED_GOLDEN_FOLDER } from './golden-vectors';

/** One of each thing that a case can be about, the smallest of its kind, below 300 KB together. */
const SELECTED = [
  ...['tiny-full', 'tiny-masked', 'one-row', 'K-gt-V', 'K-eq-V-masked', 'K1-full', 'exactly-K', 'fewer-than-K'],
  ...['all-forced', 'some-forced', 'const', 'ties', 'neginf-below-K', 'target-neginf', 'offset-1000', 'ignored-rows'],
  ...['official-defaults', 'xi-4', 'tau-2', 'lam-5', 'linear-small'],
];
const SEGMENT_ALIGNMENT = 8;
const BYTES = { f32: 4, f64: 8, i32: 4 } as const;

interface Segment {
  dtype: keyof typeof BYTES;
  shape: number[];
  offset: number;
}

const isSegment = (value: object): value is Segment => 'dtype' in value && 'shape' in value && 'offset' in value;

const manifest = JSON.parse(readFileSync(join(FULL_GOLDEN_FOLDER, 'manifest.json'), 'utf8'));
const source = readFileSync(join(FULL_GOLDEN_FOLDER, manifest.bin));
const segments: Buffer[] = [];
let written = 0;

/** The value with the offsets of the new file, where the bytes of its segments are put. */
function move(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(move);
  if (!isSegment(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, move(member)]));
  }
  const bytes = value.shape.reduce((product, extent) => product * extent, BYTES[value.dtype]);
  const padded = Buffer.alloc(Math.ceil(bytes / SEGMENT_ALIGNMENT) * SEGMENT_ALIGNMENT);
  source.copy(padded, 0, value.offset, value.offset + bytes);
  segments.push(padded);
  written += padded.length;
  return { ...value, offset: written - padded.length };
}

const cases = SELECTED.map((name) => {
  // What the authors' scripts gave in each precision is for information only, and no test reads it.
  const { official: _, ...entry } = manifest.cases.find((candidate: { name: string }) => candidate.name === name);
  return move(entry);
});
const lines = cases.map((entry) => JSON.stringify(entry)).join(',\n');
const header = JSON.stringify({ ...manifest, set: 'selection', cases: undefined });
writeFileSync(join(SELECTED_GOLDEN_FOLDER, 'manifest.json'), `${header.slice(0, -1)},"cases":[\n${lines}\n]}\n`);
writeFileSync(join(SELECTED_GOLDEN_FOLDER, manifest.bin), Buffer.concat(segments));
