import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file so that whoever reads it, also after a crash at any moment, finds the old content or the new one, never a
 * part. What a killed writer left beside it is replaced. Symbolic links are not followed, neither at `file` nor beside it.
 * Two writers of one file exclude each other by a lock: folder-lock.ts.
 *
 * @throws Error that names the file; it then has its old content
 */
export function writeAtomically(file: string, parts: readonly (string | Uint8Array)[]): void {
  const temporary = `${file}.partial`;
  try {
    rmSync(temporary, { force: true });
    try {
      writeNew(temporary, parts);
      renameSync(temporary, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(temporary, { force: true });
      throw error;
    }
    // So that the new name, too, survives a loss of power. Windows opens no folders.
    if (process.platform !== 'win32') withOpenFile(dirname(file), constants.O_RDONLY, fsyncSync);
  } catch (cause) {
    throw new Error(`${file}: cannot be written (${reasonOf(cause)})`, { cause });
  }
}

/** Writes a file that must not be there yet, and waits until it is on the disk. */
export function writeNew(file: string, parts: readonly (string | Uint8Array)[]): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants;
  withOpenFile(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, (handle) => {
    for (const part of parts) writeAll(handle, typeof part === 'string' ? Buffer.from(part) : part);
    fsyncSync(handle);
  });
}

/** The code of the operating system, such as ENOSPC, or the message of an error that has none. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

function withOpenFile(path: string, flags: number, use: (handle: number) => void): void {
  const handle = openSync(path, flags, 0o666);
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
