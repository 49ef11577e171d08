import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file so that whoever reads it, also after a crash at any moment, finds the old content or the new one, never a
 * part.
 */
export function writeAtomically(file: string, parts: readonly (string | Uint8Array)[]): void {
  const temporary = `${file}.partial`;
  withOpenFile(temporary, 'w', (handle) => {
    for (const part of parts) writeAll(handle, typeof part === 'string' ? Buffer.from(part) : part);
    fsyncSync(handle);
  });
  renameSync(temporary, file);
  // So that the new name, too, survives a loss of power. Windows opens no folders.
  if (process.platform !== 'win32') withOpenFile(dirname(file), 'r', fsyncSync);
}

function withOpenFile(path: string, flags: string, use: (handle: number) => void): void {
  const handle = openSync(path, flags);
  try {
    use(handle);
  } finally {
    closeSync(handle);
  }
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(handle, bytes, written, bytes.length - written);
  }
}
