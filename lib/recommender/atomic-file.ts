import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

/**
 * Writes a file so that whoever reads it, also after a crash at any moment, finds the old content or the new one, never a
 * part.
 */
export function writeAtomically(file: string, parts: readonly (string | Uint8Array)[]): void {
  const temporary = `${file}.partial`;
  const handle = openSync(temporary, 'w');
  try {
    for (const part of parts) writeAll(handle, typeof part === 'string' ? Buffer.from(part) : part);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(handle, bytes, written, bytes.length - written);
  }
}
