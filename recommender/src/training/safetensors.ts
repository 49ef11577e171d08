import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { writeAtomically } from '../data/atomic-file.js';
import { readRegularFile } from '../data/regular-file.js';
import { LENGTH_BYTES, splitSafetensors } from '../data/safetensors-layout.js';
import { sizeOf, type Tensor } from '../model/tensor.js';
import { WHOLE } from '../ranges.js';
import { listOf, numberIn, objectOf, oneOf, pairOf, ShapeError, text } from './shape.js';

interface Entry {
  dtype: 'F32';
  shape: number[];
  data_offsets: [number, number];
}

type Entries = Record<string, Entry>;

interface Header {
  entries: Entries;
  state: string;
  sha256: string;
}

/** Writes tensors and a text, in one file that Python's safetensors can read, too. */
export function writeSafetensors(file: string, tensors: Readonly<Record<string, Tensor>>, state: string): void {
  if (endianness() !== 'LE') throw new Error('checkpoints are written on little-endian machines only');
  const entries: Entries = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { data, shape }] of Object.entries(tensors)) {
    entries[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const header = encodeHeader({ entries, state, sha256: digestOf(entries, state, parts) });
  writeAtomically(file, [header, ...parts]);
}

/** @throws Error that names the file, for one that `writeSafetensors` did not write to the last bit */
export function readSafetensors(file: string): { tensors: Record<string, Tensor>; state: string } {
  const content = readRegularFile(file, { followLinks: false });
  try {
    return decode(content);
  } catch (cause) {
    throw new Error(`${file}: not a whole checkpoint (${(cause as Error).message})`, { cause });
  }
}

function decode(content: Buffer): { tensors: Record<string, Tensor>; state: string } {
  const { header: bytes, numbers } = splitSafetensors(content);
  const header = parseHeader(bytes);
  const { entries, state, sha256 } = header;
  const start = content.length - numbers.length;
  // The digest is of what the header says; the bytes themselves must be those that say it.
  const isWhole =
    digestOf(entries, state, [numbers]) === sha256 && encodeHeader(header).equals(content.subarray(0, start));
  if (!isWhole) throw new Error('what it holds is not what was written');
  const tensors: Record<string, Tensor> = {};
  let end = 0;
  for (const [name, { shape, data_offsets }] of Object.entries(entries)) {
    const [first, last] = data_offsets;
    if (first !== end || last - first !== 4 * sizeOf(shape)) {
      throw new ShapeError(`${name}: bytes ${first} to ${last} do not follow byte ${end} or do not fill its shape`);
    }
    end = last;
    const bytes = Uint8Array.from(numbers.subarray(first, last));
    tensors[name] = { data: new Float32Array(bytes.buffer), shape };
  }
  if (end !== numbers.length) throw new ShapeError(`${numbers.length} bytes of numbers, its tensors have ${end}`);
  return { tensors, state };
}

/** Of all that a file holds beside the digest. */
function digestOf(entries: Entries, state: string, numbers: readonly Uint8Array[]): string {
  const digest = createHash('sha256').update(JSON.stringify([entries, state]));
  for (const part of numbers) digest.update(part);
  return digest.digest('hex');
}

function encodeHeader({ entries, state, sha256 }: Header): Buffer {
  const header = Buffer.from(JSON.stringify({ __metadata__: { state, sha256 }, ...entries }));
  // The numbers begin at a multiple of 8 bytes.
  const length = Math.ceil(header.length / 8) * 8;
  const padded = Buffer.alloc(LENGTH_BYTES + length, ' ');
  padded.writeBigUInt64LE(BigInt(length));
  header.copy(padded, LENGTH_BYTES);
  return padded;
}

const whole = numberIn(WHOLE);
const entryShape = objectOf<Entry>({ dtype: oneOf(['F32']), shape: listOf(whole), data_offsets: pairOf(whole, whole) });
const metadataShape = objectOf({ state: text, sha256: text });

function parseHeader(bytes: Buffer): Header {
  let header: unknown;
  try {
    header = JSON.parse(bytes.toString());
  } catch {
    throw new Error('its header cannot be read');
  }
  const { __metadata__: metadata, ...entries } = (header ?? {}) as Record<string, unknown>;
  const { state, sha256 } = metadataShape(metadata, '__metadata__');
  for (const [name, entry] of Object.entries(entries)) entryShape(entry, name);
  return { entries: entries as Entries, state, sha256 };
}
