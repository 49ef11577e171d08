// What an addon must have been built for.
import { nodeModule } from '../options/node-module.js';

const { closeSync, openSync, readSync } = nodeModule('node:fs');

const { binary } = require('../../package.json') as { binary: { napi_versions: [number] } };

/** The version of Node-API that the addon needs. */
export const napiVersion = binary.napi_versions[0];

/** As `darwin-arm64`, and on Linux with the C library: `linux-x64-glibc`. */
export function target(): string {
  const { platform, arch } = process;
  return platform === 'linux' ? `${platform}-${arch}-${libc()}` : `${platform}-${arch}`;
}

/** The C library that this program was linked with: the path of its loader is in the first page of the executable. */
export function libc(): 'glibc' | 'musl' {
  try {
    return firstBytes('/proc/self/exe', 4096).includes('/ld-musl-') ? 'musl' : 'glibc';
  } catch {
    return 'glibc'; // no /proc: by far the more common one
  }
}

/** So many bytes of a file, zeros where it is shorter. */
export function firstBytes(file: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, bytes, 0, count, 0);
  } finally {
    closeSync(descriptor);
  }
  return bytes;
}
