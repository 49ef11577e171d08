// Lists of allowed tokens, and a target in each: of real catalogues, or drawn.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TokenTrie } from 'fused-bear-loss/decoding';
import { loadDataset } from '../../recommender/src/data/dataset-files';
import { tokenizeTitles } from '../../recommender/src/data/tokenizer';
import { seed, uniformGenerator } from '../random-logits';

export interface Lists {
  /** [N + 1] */
  offsets: Int32Array;
  tokens: Int32Array;
  targets: Int32Array;
}

export function meanLength({ tokens, targets }: Lists): number {
  return tokens.length / targets.length;
}

/** Of data that lies beside the checkout and is no part of it; undefined where it is not there. */
export function catalogueFolder(name: string): string | undefined {
  const folder = join(__dirname, '..', '..', '..', 'shared', 'data', name);
  return existsSync(folder) ? folder : undefined;
}

/** Which decisions of training are rows: all, those with a choice, or those at the node with the longest list. */
export type Decisions = 'all' | 'choices' | 'longest';

/** The first decisions of training on a catalogue, token by token of its first targets. */
export async function catalogueLists(folder: string, rows: number, which: Decisions): Promise<Lists> {
  const { titles, rows: interactions } = loadDataset(folder);
  const items = [...titles.keys()];
  const sequences = await tokenizeTitles([...titles.values()]);
  const trie = TokenTrie.fromSequences(sequences, items);
  const sequenceOf = new Map(items.map((item, index) => [item, sequences[index] as number[]]));
  const childCounts = Array.from({ length: trie.nodeCount }, (_, node) => trie.childCount(node));
  const longest = childCounts.reduce((most, count) => Math.max(most, count), 0);
  const least = { all: 1, choices: 2, longest }[which];
  const nodes: number[] = [];
  const targets: number[] = [];
  for (const { target } of interactions) {
    let node: number = TokenTrie.root;
    for (const token of sequenceOf.get(target) as number[]) {
      if (nodes.length === rows) return { ...trie.allowed(nodes), targets: Int32Array.from(targets) };
      if (trie.childCount(node) >= least) {
        nodes.push(node);
        targets.push(token);
      }
      node = trie.child(node, token);
    }
  }
  throw new Error(`${folder}: fewer than ${rows} tokens`);
}

/** Rows of `length` tokens each, evenly spread from a random place on. */
export function drawnLists(rows: number, vocabSize: number, length: number): Lists {
  const uniform = uniformGenerator(seed);
  const stride = Math.floor(vocabSize / length);
  const offsets = Int32Array.from({ length: rows + 1 }, (_, row) => row * length);
  const tokens = new Int32Array(rows * length);
  const targets = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const first = Math.floor(uniform() * stride);
    for (let place = 0; place < length; place++) tokens[row * length + place] = first + place * stride;
    targets[row] = tokens[row * length + Math.floor(uniform() * length)] as number;
  }
  return { offsets, tokens, targets };
}

/** The same constraint as bits. */
export function bitmaskOf({ offsets, tokens, targets }: Lists, vocabSize: number): Uint32Array {
  const words = Math.ceil(vocabSize / 32);
  const bits = new Uint32Array(targets.length * words);
  for (let row = 0; row < targets.length; row++) {
    for (const token of tokens.subarray(offsets[row], offsets[row + 1])) {
      const word = row * words + (token >> 5);
      bits[word] = (bits[word] as number) | (1 << (token & 31));
    }
  }
  return bits;
}
