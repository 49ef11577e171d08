/**
 * The fuzz target of the trie's loader and walker. A case is a catalogue, written by `serialize`, and changes to its
 * bytes; the digest, which would hide the format behind it, is mostly computed anew. `load` must refuse the bytes with
 * ERR_BEAR_TRIE_FORMAT, or give a trie whose methods agree with a naive trie of what it holds.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TokenTrie } from '../../../lib/decoding/index';
import { SeededRandom } from '../../support/random';
import type { Entry } from './naive-trie';
import { compareWithNaive, entriesOf, Mismatch } from './walk-trie';

// As trie-format.ts has it: version, nodes, leaves and items at 8, the digest at 24, the arrays at 56.
const DIGEST_AT = 24;
const ARRAYS_AT = 56;
const CORPUS = join(__dirname, 'corpus');
const FOUND = join(__dirname, '..', '..', '..', 'build', 'fuzz', 'found', 'trie');

interface Outcome {
  loaded: boolean;
}

/** Throws where `load` or a trie that it gave is wrong. */
export function checkBytes(bytes: Uint8Array): Outcome {
  let trie: TokenTrie;
  try {
    trie = TokenTrie.load(bytes);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BEAR_TRIE_FORMAT') return { loaded: false };
    throw error;
  }
  compareWithNaive(trie, entriesOf(trie));
  if (!Buffer.from(trie.serialize()).equals(Buffer.from(bytes))) throw new Mismatch('serialize gives other bytes');
  return { loaded: true };
}

/** Sequences of which none begins another: the last token of each is one that no other place has. */
function drawEntries(random: SeededRandom): Entry[] {
  const count = 1 + random.integer(random.chance(0.05) ? 300 : 12);
  const alphabet = 1 + random.integer(random.chance(0.1) ? 3000 : 5);
  const depth = random.integer(random.chance(0.1) ? 40 : 5);
  const end = random.chance(0.2) ? 2 ** 31 - 1 : alphabet;
  const items = random.sample(count, random.chance(0.3) ? 2 ** 31 : 2 * count);
  if (random.chance(0.5)) items.reverse();
  return items.map((item) => {
    const length = random.integer(depth + 1);
    return { tokens: [...Array.from({ length }, () => random.integer(alphabet)), end], item };
  });
}

/** What comes in an integer's place: limits, neighbours, single bits, anything. */
function drawInteger(before: number, random: SeededRandom): number {
  const values = [
    ...[0, 1, -1, 2 ** 31 - 1, -(2 ** 31), before + 1, before - 1, before * 2],
    ...[before ^ (1 << random.integer(32)), Math.floor(random.uniform() * 2 ** 32)],
  ];
  return values[random.integer(values.length)] as number;
}

function changeOnce(bytes: Buffer, random: SeededRandom): Buffer {
  const words = Math.floor((bytes.length - ARRAYS_AT) / 4);
  const wordAt = () => ARRAYS_AT + 4 * random.integer(Math.max(1, words));
  switch (random.integer(8)) {
    case 0: {
      // The numbers of the header.
      const at = 8 + 4 * random.integer(4);
      bytes.writeInt32LE(drawInteger(bytes.readInt32LE(at), random) | 0, at);
      return bytes;
    }
    case 1:
      return bytes.subarray(0, random.integer(bytes.length + 1));
    case 2:
      return Buffer.concat([bytes, Buffer.alloc(1 + random.integer(9), random.integer(256))]);
    case 3: {
      const at = random.integer(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random.integer(8));
      return bytes;
    }
    case 4: {
      // A mark of the offsets moves by one.
      const at = wordAt();
      if (at + 4 > bytes.length) return bytes;
      const word = bytes.readUInt32LE(at);
      const bit = random.integer(31);
      const [low, high] = [(word >>> bit) & 1, (word >>> (bit + 1)) & 1];
      if (low !== high) bytes.writeUInt32LE((word ^ (3 << bit)) >>> 0, at);
      return bytes;
    }
    case 5: {
      const [a, b] = [wordAt(), wordAt()];
      if (Math.max(a, b) + 4 > bytes.length) return bytes;
      const kept = bytes.readInt32LE(a);
      bytes.writeInt32LE(bytes.readInt32LE(b), a);
      bytes.writeInt32LE(kept, b);
      return bytes;
    }
    default: {
      const at = wordAt();
      if (at + 4 <= bytes.length) bytes.writeInt32LE(drawInteger(bytes.readInt32LE(at), random) | 0, at);
      return bytes;
    }
  }
}

function signed(bytes: Buffer): Buffer {
  if (bytes.length < ARRAYS_AT) return bytes;
  const hash = createHash('sha256').update(bytes.subarray(0, DIGEST_AT)).update(bytes.subarray(ARRAYS_AT));
  hash.digest().copy(bytes, DIGEST_AT);
  return bytes;
}

function runCase(random: SeededRandom): { bytes: Buffer; outcome: () => Outcome } {
  const entries = drawEntries(random);
  const trie = TokenTrie.fromSequences(
    entries.map(({ tokens }) => tokens),
    entries.map(({ item }) => item),
  );
  let bytes: Buffer = Buffer.from(trie.serialize());
  const changes = random.integer(4);
  if (changes === 0) {
    return {
      bytes,
      outcome: () => {
        compareWithNaive(TokenTrie.load(bytes), entries);
        return { loaded: true };
      },
    };
  }
  for (let change = 0; change < changes && bytes.length > 24; ++change) bytes = Buffer.from(changeOnce(bytes, random));
  if (random.chance(0.9)) bytes = signed(bytes);
  return { bytes, outcome: () => checkBytes(bytes) };
}

const messageOf = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Runs the corpus, then new cases; returns whether all passed. */
export function fuzzTrie({ cases, seconds, seed }: { cases: number; seconds: number; seed: number }): boolean {
  if (!replayTrie(corpusFiles())) return false;
  const random = new SeededRandom(seed);
  const end = performance.now() + 1000 * seconds;
  let [run, loaded] = [0, 0];
  for (; run < cases && performance.now() < end; ++run) {
    const { bytes, outcome } = runCase(random);
    try {
      loaded += outcome().loaded ? 1 : 0;
    } catch (error) {
      const file = join(FOUND, `case-${seed}-${run}.bin`);
      mkdirSync(FOUND, { recursive: true });
      writeFileSync(file, bytes);
      console.log(`${messageOf(error)}\nFAILED: trie, case ${run}. It runs again by\n  npm run fuzz -- trie ${file}`);
      return false;
    }
  }
  console.log(`${run} cases: ${loaded} loaded, ${run - loaded} refused`);
  return true;
}

const corpusFiles = (): string[] => (existsSync(CORPUS) ? readdirSync(CORPUS).map((name) => join(CORPUS, name)) : []);

/** Runs files again; returns whether all passed. */
export function replayTrie(files: readonly string[]): boolean {
  let ok = true;
  for (const file of files) {
    try {
      checkBytes(readFileSync(file));
    } catch (error) {
      console.log(`${file}: ${messageOf(error)}`);
      ok = false;
    }
  }
  return ok;
}
