// A trie as bytes, and back: a header, a digest of everything that follows it, and the arrays as little-endian integers.
import { allocate, assertAttached } from '../loss/arrays.js';
import { fail, refuse } from '../options/errors.js';
import { isArrayOf, viewOf } from '../options/typed-arrays.js';
import { isId, riseTo } from './ids.js';
import { RisingOffsets, wordCount } from './rising-offsets.js';
import { sha256 } from './sha256.js';
import type { TrieArrays } from './trie-arrays.js';

const MAGIC = Uint8Array.from('FBLTRIE\n', (character) => character.charCodeAt(0));
const VERSION = 1;
/** The magic, then version, nodes, leaves and items as 32-bit integers, then the digest. */
const DIGEST_AT = 24;
const HEADER_BYTES = DIGEST_AT + 32;

export function serializeTrie({ edgeOffsets, edgeTokens, leafNodes, itemOffsets, leafItems }: TrieArrays): Uint8Array {
  // Leaves are the nodes without children, so they need not be written.
  const arrays = [edgeOffsets.words, edgeTokens, itemOffsets, leafItems];
  const bytes = new Uint8Array(arrays.reduce((sum, array) => sum + array.byteLength, HEADER_BYTES));
  bytes.set(MAGIC);
  const header = new DataView(bytes.buffer);
  [VERSION, edgeOffsets.length - 1, leafNodes.length, leafItems.length].forEach((value, index) => {
    header.setUint32(MAGIC.length + 4 * index, value, true);
  });
  let at = HEADER_BYTES;
  for (const array of arrays) {
    const copy = bytes.subarray(at, at + array.byteLength);
    copy.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    swapUnlessLittleEndian(copy);
    at += array.byteLength;
  }
  bytes.set(digestOf(bytes), DIGEST_AT);
  return bytes;
}

/** @throws RangeError `ERR_BEAR_TRIE_FORMAT` for anything but the bytes of a trie, whole and unchanged. */
export function parseTrie(data: Uint8Array): TrieArrays {
  if (!isArrayOf(data, 'Uint8Array')) refuse('ERR_BEAR_ARGUMENT_TYPE', 'bytes', 'a Uint8Array', data);
  assertAttached(data, 'bytes');
  // A copy, as another thread could change shared memory after the digest was found to be right.
  const view = viewOf(Uint8Array, data);
  const bytes = allocate(Uint8Array, view.length, 'bytes');
  bytes.set(view);
  if (!startsWith(bytes, MAGIC)) refuseBytes('bytes that are not a TokenTrie');
  if (bytes.length < HEADER_BYTES) refuseBytes(`a header of ${bytes.length} bytes, which is too short`);
  const header = new DataView(bytes.buffer);
  const word = (index: number) => header.getUint32(MAGIC.length + 4 * index, true);
  const [version, nodes, leaves, items] = [word(0), word(1), word(2), word(3)];
  if (version !== VERSION) refuseBytes(`version ${version}, not version ${VERSION}`);
  const lengths = [wordCount(nodes + 1, nodes - 1), nodes - 1, leaves + 1, items];
  const expected = lengths.reduce((sum, length) => sum + 4 * length, HEADER_BYTES);
  if (nodes < 2 || bytes.length !== expected) {
    refuseBytes(`${bytes.length} bytes, not the ${expected} of ${nodes} nodes and ${items} items`);
  }
  if (!startsWith(bytes.subarray(DIGEST_AT), digestOf(bytes))) {
    refuseBytes('bytes that do not match their digest');
  }
  let at = HEADER_BYTES;
  const [edgeMarks, edgeTokens, itemOffsets, leafItems] = lengths.map((length) => {
    const array = new Int32Array(length);
    const copy = new Uint8Array(array.buffer);
    copy.set(bytes.subarray(at, at + copy.length));
    swapUnlessLittleEndian(copy);
    at += copy.length;
    return array;
  }) as [Int32Array, Int32Array, Int32Array, Int32Array];
  const edgeOffsets = RisingOffsets.fromWords(new Uint32Array(edgeMarks.buffer), nodes + 1, nodes - 1);
  if (edgeOffsets === undefined) refuseBytes(`offsets of edges that do not rise from 0 to ${nodes - 1}`);
  const offsets = edgeOffsets.toArray();
  checkEdges(offsets, edgeTokens);
  const leafNodes = leavesOf(offsets);
  if (leafNodes.length !== leaves) refuseBytes(`${leafNodes.length} leaves, not the ${leaves} of the header`);
  checkItems(itemOffsets, leafItems);
  return { edgeOffsets, edgeTokens, leafNodes, itemOffsets, leafItems };
}

export function refuseBytes(received: string): never {
  fail('ERR_BEAR_TRIE_FORMAT', 'bytes', 'the unchanged bytes of serialize()', received);
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, index) => byte === bytes[index]);
}

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Between the integers of this machine and little-endian ones, in place. */
function swapUnlessLittleEndian(bytes: Uint8Array): void {
  if (isLittleEndian) return;
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
}

/** Of the header up to the digest, and of all that follows it. */
function digestOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes.subarray(0, DIGEST_AT), bytes.subarray(HEADER_BYTES));
}

// The digest detects damage. These checks detect bytes that other programs made, whose indices must not lead outside.

function checkEdges(edgeOffsets: Int32Array, edgeTokens: Int32Array): void {
  const nodes = edgeOffsets.length - 1;
  for (let node = 0; node < nodes; node++) {
    const [begin, end] = [edgeOffsets[node] as number, edgeOffsets[node + 1] as number];
    // A child comes after its parent.
    if (end > begin && begin < node) refuseBytes(`node ${node} with a child before itself`);
    if (!areRisingIds(edgeTokens, begin, end)) refuseBytes(`tokens of node ${node} that do not rise`);
  }
}

function areRisingIds(values: Int32Array, begin: number, end: number): boolean {
  for (let place = begin; place < end; place++) {
    const value = values[place] as number;
    if (!isId(value) || (place > begin && value <= (values[place - 1] as number))) return false;
  }
  return true;
}

function checkItems(itemOffsets: Int32Array, leafItems: Int32Array): void {
  if (!riseTo(itemOffsets, leafItems.length)) {
    refuseBytes(`offsets of items that do not rise from 0 to ${leafItems.length}`);
  }
  for (let leaf = 0; leaf + 1 < itemOffsets.length; leaf++) {
    const [begin, end] = [itemOffsets[leaf] as number, itemOffsets[leaf + 1] as number];
    if (begin === end) refuseBytes(`leaf ${leaf} with no item`);
    if (!areRisingIds(leafItems, begin, end)) refuseBytes(`items of leaf ${leaf} that do not rise`);
  }
}

function leavesOf(edgeOffsets: Int32Array): Int32Array {
  const nodes = edgeOffsets.subarray(1).map((_, node) => node);
  return nodes.filter((node) => edgeOffsets[node] === edgeOffsets[node + 1]);
}
