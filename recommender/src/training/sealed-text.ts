import { createHash } from 'node:crypto';

// JSON whose first field is the SHA-256 digest of all the other bytes of the file.

const SEAL = /^\{"sha256":"([0-9a-f]{64})",/;

/** @param text JSON objects with at least one field, one or a line each; the first gets the digest */
export function seal(text: string): string {
  return `{"sha256":"${digestOf(text.slice(1))}",${text.slice(1)}`;
}

/**
 * The text that `seal` was given.
 *
 * @throws Error where a byte differs from what was written, or where there is no digest
 */
export function unseal(bytes: Uint8Array): string {
  // As bytes: not all damaged bytes are UTF-8.
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [head = '', digest] = SEAL.exec(buffer.toString('latin1', 0, 100)) ?? [];
  if (digest === undefined) throw new Error('it does not begin with a digest, as the files of a run do');
  const rest = buffer.subarray(head.length);
  if (digestOf(rest) !== digest) throw new Error('what it holds is not what was written');
  return `{${rest.toString()}`;
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
