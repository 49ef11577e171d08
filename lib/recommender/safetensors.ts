import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { writeAtomically } from './atomic-file.js';
import type { Tensor } from './tensor.js';

// https://huggingface.co/docs/safetensors: the length of the header in 8 bytes, the header as JSON, the numbers.

const LENGTH_BYTES = 8;

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Writes tensors and a text, in one file that Python's safetensors can read, too. */
export function writeSafetensors(file: string, tensors: Readonly<Record<string, Tensor>>, state: string): void {
  if (endianness() !== 'LE') throw new Error('checkpoints are written on little-endian machines only');
  const entries: Record<string, Entry> = {};
  const parts: Uint8Array[] = [];
  const digest = createHash('sha256');
  let offset = 0;
  for (const [name, { data, shape }] of Object.entries(tensors)) {
    entries[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    parts.push(bytes);
    digest.update(bytes);
  }
  const metadata = { state, sha256: digest.digest('hex') };
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
  const fail = (why: string): never => {
    throw new Error(`${file}: not a whole checkpoint (${why})`);
  };
  if (content.length < LENGTH_BYTES) fail(`${content.length} bytes`);
  const start = LENGTH_BYTES + Number(content.readBigUInt64LE(0));
  if (content.length < start) fail(`${content.length} bytes, the header alone ends at ${start}`);
  const { __metadata__: metadata, ...entries } = parseHeader(content.subarray(LENGTH_BYTES, start), fail);
  const numbers = content.subarray(start);
  const end = Object.values(entries).reduce((most, { data_offsets }) => Math.max(most, data_offsets[1]), 0);
  if (numbers.length !== end) fail(`${numbers.length} bytes of numbers, expected ${end}`);
  if (createHash('sha256').update(numbers).digest('hex') !== metadata.sha256) fail('the numbers are not those written');
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, data_offsets }] of Object.entries(entries)) {
    const bytes = Uint8Array.from(numbers.subarray(...data_offsets));
    tensors[name] = { data: new Float32Array(bytes.buffer), shape };
  }
  return { tensors, state: metadata.state };
}

type Header = { __metadata__: { state: string; sha256: string } } & Record<string, Entry>;

function parseHeader(bytes: Buffer, fail: (why: string) => never): Header {
  try {
    const header = JSON.parse(bytes.toString());
    if (typeof header?.__metadata__?.sha256 === 'string') return header;
  } catch {
    // Said below.
  }
  return fail('its header cannot be read');
}
