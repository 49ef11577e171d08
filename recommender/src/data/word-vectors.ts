import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { reasonOf } from './atomic-file.js';
import { readRegularFile } from './regular-file.js';
import { splitSafetensors } from './safetensors-layout.js';
import { wordsOf } from './title-words.js';

/** A vector for each word that is in a title, all of one width; by the word in lower case. */
export type WordVectors = ReadonlyMap<string, Float32Array>;

/**
 * Reads the vectors of the words of titles. The file is in the text form of word2vec and GloVe: a line for each word, with its
 * numbers after it, perhaps below a line with the numbers of words and of columns. Or it ends in `.safetensors` and has one
 * matrix of float32, `[words, width]`, and its words as a JSON list in the metadata `words`. A word in lower case goes before the
 * same word in another case, and the first of several before the others.
 *
 * @param width that the vectors must have, which is the model's
 * @throws Error that names the file, and the line where it is one: for vectors of another width, lines that are none, a file
 *   that ends early, and one without a word of the titles
 */
export async function readWordVectors(file: string, titles: Iterable<string>, width: number): Promise<WordVectors> {
  const words = new Set([...titles].flatMap(wordsOf));
  const found = new FoundVectors(words);
  if (file.endsWith('.safetensors')) readMatrix(file, width, found);
  else await readLines(file, width, found);
  const vectors = found.vectors();
  if (vectors.size === 0) throw new Error(`${file}: has none of the ${words.size} words of the titles`);
  return vectors;
}

/** Those that are wanted, of a file that may have far more. */
class FoundVectors {
  private readonly exact = new Map<string, Float32Array>();
  private readonly others = new Map<string, Float32Array>();

  constructor(private readonly words: ReadonlySet<string>) {}

  /** @param vector asked for only if the word is wanted and new */
  offer(word: string, vector: () => Float32Array): void {
    const lower = word.toLowerCase();
    const vectors = lower === word ? this.exact : this.others;
    if (this.words.has(lower) && !vectors.has(lower)) vectors.set(lower, vector());
  }

  /** In the order of the words of the titles, whatever the order of the file. */
  vectors(): WordVectors {
    const entries = [...this.words].flatMap((word): [string, Float32Array][] => {
      const vector = this.exact.get(word) ?? this.others.get(word);
      return vector ? [[word, vector]] : [];
    });
    return new Map(entries);
  }
}

/** Line by line: such files have gigabytes. */
async function readLines(file: string, width: number, found: FoundVectors): Promise<void> {
  let number = 0;
  let announced: number | undefined;
  let rows = 0;
  try {
    if (!statSync(file).isFile()) throw new Error('it is not a file');
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      const fields = line.trim().split(/[ \t]+/);
      if (number === 1 && /^\d+ \d+$/.test(fields.join(' '))) {
        const [count, columns] = fields.map(Number) as [number, number];
        requireWidth(columns, width);
        announced = count;
        continue;
      }
      if (line.trim() === '') continue;
      readLine(fields, width, number === 1, found);
      rows++;
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined || number === 0) {
      throw new Error(`${file}: cannot be read (${reasonOf(cause)})`, { cause });
    }
    throw new Error(`${file}, line ${number}: ${(cause as Error).message}`, { cause });
  }
  if (announced !== undefined && announced !== rows) {
    throw new Error(`${file}: its first line announces ${announced} words, it has ${rows}`);
  }
}

function readLine(fields: readonly string[], width: number, isFirst: boolean, found: FoundVectors): void {
  const columns = fields.length - 1;
  if (columns !== width) {
    // Some files have words with spaces, which no word of a title has.
    if (columns > width && !Number.isFinite(Number(fields[1]))) return;
    if (isFirst && columns > 0 && fields.slice(1).every(isNumber)) requireWidth(columns, width);
    throw new Error(`expected a word and ${width} numbers, got ${columns} fields after the word`);
  }
  found.offer(fields[0] as string, () =>
    Float32Array.from(fields.slice(1), (field) => {
      if (isNumber(field)) return Number(field);
      throw new Error(`expected a word and ${width} numbers, got ${JSON.stringify(field.slice(0, 40))} among them`);
    }),
  );
}

function isNumber(field: string): boolean {
  return field !== '' && Number.isFinite(Math.fround(Number(field)));
}

function requireWidth(columns: number, width: number): void {
  if (columns === width) return;
  throw new Error(`vectors of ${columns} numbers, and --dimension is ${width}; give --dimension ${columns}`);
}

function readMatrix(file: string, width: number, found: FoundVectors): void {
  const content = readRegularFile(file, { followLinks: true });
  try {
    const { header, numbers } = splitSafetensors(content);
    const { words, offset, columns } = matrixOf(parsed(header, 'its header'), numbers.length);
    requireWidth(columns, width);
    words.forEach((word, row) => {
      found.offer(word, () =>
        Float32Array.from({ length: width }, (_, column) => {
          const value = numbers.readFloatLE(offset + 4 * (row * width + column));
          if (Number.isFinite(value)) return value;
          throw new Error(`the vector of ${JSON.stringify(word)} has ${value} in it`);
        }),
      );
    });
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message}`, { cause });
  }
}

function matrixOf(header: unknown, bytes: number): { words: string[]; offset: number; columns: number } {
  const { __metadata__: metadata, ...tensors } = (header ?? {}) as Record<string, Record<string, unknown> | undefined>;
  const [matrix, ...others] = Object.values(tensors);
  const { dtype, shape, data_offsets: offsets } = matrix ?? {};
  if (others.length > 0 || dtype !== 'F32' || !isPair(shape) || !isPair(offsets)) {
    throw new Error('expected one matrix of float32, [words, width]');
  }
  const words = typeof metadata?.words === 'string' ? parsed(metadata.words, 'the metadata "words"') : undefined;
  if (!Array.isArray(words) || !words.every((word): word is string => typeof word === 'string')) {
    throw new Error('expected the words of the rows as a JSON list in the metadata "words"');
  }
  const [rows, columns] = shape;
  if (words.length !== rows) throw new Error(`its matrix has ${rows} rows, and it names ${words.length} words`);
  const [offset, end] = offsets;
  if (end - offset !== 4 * rows * columns || end > bytes) throw new Error('its numbers do not fill the matrix');
  return { words, offset, columns };
}

function isPair(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

function parsed(text: Buffer | string, what: string): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    throw new Error(`${what} cannot be read`);
  }
}
