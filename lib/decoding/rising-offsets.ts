/**
 * Offsets that never fall, from 0 on: a bit for each offset and for each step up, instead of 32 bits an offset. A trie of titles
 * is mostly nodes with one child, and its offsets would be half of its bytes.
 *
 * Offset `i` is a mark at bit `offset + i`, so the `i`-th mark gives it back. Where each 32nd mark stands is written down; from
 * there at most 32 marks have to be counted. Where they stand far apart (a root with a hundred thousand children), the 32
 * offsets are kept as they are.
 */
export class RisingOffsets {
  private constructor(
    /** How many offsets. */
    readonly length: number,
    /** The marks, 32 a word, the first in the lowest bit. */
    readonly words: Uint32Array,
    /** Positions of marks 0, 32, 64 and so on. */
    private readonly samples: Uint32Array,
    /** The offsets of groups of 32 that are spread over more than `SPREAD_BITS`. */
    private readonly spread: ReadonlyMap<number, Int32Array>,
  ) {}

  static fromArray(offsets: Int32Array): RisingOffsets {
    const { length } = offsets;
    const words = new Uint32Array(wordCount(length, offsets[length - 1] as number));
    for (let index = 0; index < length; index++) {
      const position = (offsets[index] as number) + index;
      words[position >>> 5] = (words[position >>> 5] as number) | (1 << (position & 31));
    }
    return RisingOffsets.index(offsets, words);
  }

  /** Undefined where the marks are not those of `length` offsets from 0 to `last`. */
  static fromWords(words: Uint32Array, length: number, last: number): RisingOffsets | undefined {
    const { offsets, marks } = readMarks(words, length);
    if (marks !== length || offsets[0] !== 0 || offsets[length - 1] !== last) return undefined;
    return RisingOffsets.index(offsets, words);
  }

  private static index(offsets: Int32Array, words: Uint32Array): RisingOffsets {
    const groups = Math.ceil(offsets.length / GROUP);
    const samples = new Uint32Array(groups);
    const spread = new Map<number, Int32Array>();
    for (let group = 0; group < groups; group++) {
      const begin = group * GROUP;
      const end = Math.min(begin + GROUP, offsets.length);
      samples[group] = (offsets[begin] as number) + begin;
      if ((offsets[end - 1] as number) - (offsets[begin] as number) > SPREAD_BITS) {
        spread.set(group, offsets.slice(begin, end));
      }
    }
    return new RisingOffsets(offsets.length, words, samples, spread);
  }

  at(index: number): number {
    const group = index >>> GROUP_SHIFT;
    const kept = this.spread.size > 0 ? this.spread.get(group) : undefined;
    if (kept !== undefined) return kept[index & (GROUP - 1)] as number;
    const sample = this.samples[group] as number;
    let word = sample >>> 5;
    let bits = (this.words[word] as number) & (-1 << (sample & 31));
    let skipped = index & (GROUP - 1);
    for (let marks = countBits(bits); skipped >= marks; marks = countBits(bits)) {
      skipped -= marks;
      bits = this.words[++word] as number;
    }
    for (; skipped > 0; skipped--) bits &= bits - 1;
    return 32 * word + lowestBit(bits) - index;
  }

  /** All of them, for who needs them one after the other. */
  toArray(): Int32Array {
    return readMarks(this.words, this.length).offsets;
  }

  get byteLength(): number {
    const kept = this.spread.size * GROUP * Int32Array.BYTES_PER_ELEMENT;
    return this.words.byteLength + this.samples.byteLength + kept;
  }
}

/** Words for the marks of `length` offsets, of which the last is `last`. */
export function wordCount(length: number, last: number): number {
  return Math.ceil((last + length) / 32);
}

/** The offsets of the first `length` marks, and how many marks there are. */
function readMarks(words: Uint32Array, length: number): { offsets: Int32Array; marks: number } {
  const offsets = new Int32Array(length);
  let marks = 0;
  for (let word = 0; word < words.length; word++) {
    for (let bits = words[word] as number; bits !== 0; bits &= bits - 1) {
      if (marks < length) offsets[marks] = 32 * word + lowestBit(bits) - marks;
      marks++;
    }
  }
  return { offsets, marks };
}

const GROUP_SHIFT = 5;
const GROUP = 1 << GROUP_SHIFT;
const SPREAD_BITS = 2048;

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

function countBits(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
