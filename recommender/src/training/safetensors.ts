import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import type { Tensor } from '../model/tensor.js';
import { writeAtomically } from './atomic-file.js';

// https://huggingface.co/docs/safetensors: the length of the header in 8 bytes, the header as JSON, the numbers.

const LENGTH_BYTES = 8;

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

type Entries = Record<string, Entry>;
type Fail = (why: string) => never;

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
  const metadata = { state, sha256: digestOf(entries, state, parts) };
  const header = Buffer.from(JSON.stringify({ __metadata__: metadata, ...entries }));
  // The numbers begin at a multiple of 8 bytes.
  const padded = Buffer.alloc(Math.ceil(header.length / 8) * 8, ' ');
  header.copy(padded);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(padded.length));
  writeAtomically(file, [length, padded, ...parts]);
}

/** @throws Error that names the file, for one that is cut short or damaged */
export function readSafetensors(file: string): { tensors: Record<string, Tensor>; state: string } {
  const content = readFileSync(file);
  const fail: Fail = (why) => {
    throw new Error(`${file}: not a whole checkpoint (${why})`);
  };
  if (content.length < LENGTH_BYTES) fail(`${content.length} bytes`);
  const start = LENGTH_BYTES + Number(content.readBigUInt64LE(0));
  if (content.length < start) fail(`${content.length} bytes, the header alone ends at ${start}`);
  const { entries, state, sha256 } = parseHeader(content.subarray(LENGTH_BYTES, start), fail);
  const numbers = content.subarray(start);
  if (digestOf(entries, state, [numbers]) !== sha256) fail('what it holds is not what was written');
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, data_offsets }] of Object.entries(entries)) {
    const bytes = Uint8Array.from(numbers.subarray(...data_offsets));
    tensors[name] = { data: new Float32Array(bytes.buffer), shape };
  }
  return { tensors, state };
}

/** Of all that a file holds beside the digest. */
function digestOf(entries: Entries, state: string, numbers: readonly Uint8Array[]): string {
  const digest = createHash('sha256').update(JSON.stringify([entries, state]));
  for (const part of numbers) digest.update(part);
  return digest.digest('hex');
}

function parseHeader(bytes: Buffer, fail: Fail): { entries: Entries; state: string; sha256: string } {
  try {
    const { __metadata__: metadata, ...entries } = JSON.parse(bytes.toString());
    return { entries, state: metadata.state, sha256: metadata.sha256 };
  } catch {
    return fail('its header cannot be read');
  }
}
