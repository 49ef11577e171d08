// What an addon must have been built for.
import { closeSync, openSync, readSync } from 'node:fs';

/** The C library that this program was linked with: the path of its loader is in the first page of the executable. */
export function libc(): 'glibc' | 'musl' {
  const page = Buffer.alloc(4096);
  try {
    const descriptor = openSync('/proc/self/exe', 'r');
    try {
      readSync(descriptor, page, 0, page.length, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return 'glibc';
  }
  return page.includes('/ld-musl-') ? 'musl' : 'glibc';
}

/** As `linux-x64 (glibc)`. */
export function describeTarget(): string {
  const target = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${target} (${libc()})` : target;
}
