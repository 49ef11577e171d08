import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { reasonOf } from './atomic-file.js';

/**
 * What a file holds. Pipes, devices and folders are refused: reading them may not end.
 *
 * @param options.followLinks whether `file` may be a symbolic link
 * @throws Error that names the file
 */
export function readRegularFile(file: string, { followLinks }: { followLinks: boolean }): Buffer {
  try {
    const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
    requireRegular(followLinks ? statSync(file) : lstatSync(file));
    // It may have been replaced since, by a pipe that blocks or by a link.
    const handle = openSync(file, O_RDONLY | O_NONBLOCK | (followLinks ? 0 : O_NOFOLLOW));
    try {
      requireRegular(fstatSync(handle));
      return readFileSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (cause) {
    throw new Error(`${file}: cannot be read (${reasonOf(cause)})`, { cause });
  }
}

/** Whether there is anything of this name, were it a link to nothing. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function requireRegular(found: ReturnType<typeof fstatSync>): void {
  if (found.isFile()) return;
  const kind = found.isDirectory() ? 'a folder' : found.isSymbolicLink() ? 'a symbolic link' : 'a pipe or a device';
  throw new Error(`it is ${kind}, not a file`);
}
