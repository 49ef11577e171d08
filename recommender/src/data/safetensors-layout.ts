// https://huggingface.co/docs/safetensors: the length of the header in 8 bytes, the header as JSON, the numbers.

export const LENGTH_BYTES = 8;

/** @throws Error where the content ends before its header does */
export function splitSafetensors(content: Buffer): { header: Buffer; numbers: Buffer } {
  if (content.length < LENGTH_BYTES) throw new Error(`${content.length} bytes`);
  const start = LENGTH_BYTES + Number(content.readBigUInt64LE(0));
  if (content.length < start) throw new Error(`${content.length} bytes, the header alone ends at ${start}`);
  return { header: content.subarray(LENGTH_BYTES, start), numbers: content.subarray(start) };
}
