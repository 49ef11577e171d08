import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { titleVectors } from '../../src/data/title-vectors';
import { readWordVectors } from '../../src/data/word-vectors';
import { withFolder } from '../support/recommender';

const TITLES = ['Gel Pen, Blue', 'Desk Lamp'];

/** Reads the content for the titles above, as vectors of `width` numbers. */
function read(content: string | Buffer, { width = 2, name = 'vectors.txt' } = {}): Promise<Record<string, number[]>> {
  return withFolder(async (folder) => {
    writeFileSync(join(folder, name), content);
    try {
      const vectors = await readWordVectors(join(folder, name), TITLES, width);
      return Object.fromEntries([...vectors].map(([word, vector]) => [word, [...vector]]));
    } catch (error) {
      throw new Error((error as Error).message.replace(`${folder}/`, ''));
    }
  });
}

describe('the text form', () => {
  it('has a word and its numbers in each line, perhaps with the numbers of words and columns above', async () => {
    const vectors = { pen: [0.5, -2], lamp: [1, 3] };
    expect(await read('pen 0.5 -2\nchair 7 7\nlamp 1e0 3\n')).toEqual(vectors);
    expect(await read('3 2\r\npen 0.5 -2 \r\nchair 7 7\r\nlamp\t1\t3')).toEqual(vectors);
  });

  it('takes a word in lower case before others, and the first of several', async () => {
    expect(await read('Pen 1 1\nPEN 2 2\npen 3 3\npen 4 4\nDesk 5 5\nDESK 6 6\n')).toEqual({
      pen: [3, 3],
      desk: [5, 5],
    });
  });

  it('passes over words with spaces, which some files have', async () => {
    expect(await read('pen 1 2\n. . . 3 4\n')).toEqual({ pen: [1, 2] });
  });

  it.each([
    ['pen 1 2\nlamp 1\n', 'vectors.txt, line 2: expected a word and 2 numbers, got 1 fields after the word'],
    ['pen 1 2\nlamp 1 2 3\n', 'vectors.txt, line 2: expected a word and 2 numbers, got 3 fields after the word'],
    ['pen 1 2\n\nlamp 1 two\n', 'vectors.txt, line 3: expected a word and 2 numbers, got "two" among them'],
    ['pen 1 NaN\n', 'vectors.txt, line 1: expected a word and 2 numbers, got "NaN" among them'],
    ['pen 1 1e60\n', 'vectors.txt, line 1: expected a word and 2 numbers, got "1e60" among them'],
    ['pen 1 2 3\n', 'vectors.txt, line 1: vectors of 3 numbers, and --dimension is 2; give --dimension 3'],
    ['7 3\npen 1 2 3\n', 'vectors.txt, line 1: vectors of 3 numbers, and --dimension is 2; give --dimension 3'],
    ['3 2\npen 1 2\n', 'vectors.txt: its first line announces 3 words, it has 1'],
    ['chair 1 2\n', 'vectors.txt: has none of the 5 words of the titles'],
    ['', 'vectors.txt: has none of the 5 words of the titles'],
  ])('refuses %j', async (content, message) => {
    await expect(read(content)).rejects.toThrow(new Error(message));
  });

  it('refuses what is not there and what is no file', () =>
    withFolder(async (folder) => {
      const missing = join(folder, 'none.txt');
      await expect(readWordVectors(missing, TITLES, 2)).rejects.toThrow(`${missing}: cannot be read (ENOENT)`);
      const inner = join(folder, 'folder');
      mkdirSync(inner);
      await expect(readWordVectors(inner, TITLES, 2)).rejects.toThrow(`${inner}: cannot be read (it is not a file)`);
    }));
});

describe('safetensors', () => {
  const MATRIX = { dtype: 'F32', shape: [3, 2], data_offsets: [0, 24] };
  const WORDS = { words: JSON.stringify(['pen', 'chair', 'Lamp']) };

  function file(header: unknown, numbers = [0.5, -2, 7, 7, 1, 3]): Buffer {
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, Buffer.from(Float32Array.from(numbers).buffer)]);
  }
  const name = 'vectors.safetensors';

  it('has one matrix, and the words of its rows in the metadata', async () => {
    expect(await read(file({ __metadata__: WORDS, any: MATRIX }), { name })).toEqual({ pen: [0.5, -2], lamp: [1, 3] });
  });

  it.each([
    [
      'another width',
      file({ __metadata__: WORDS, any: MATRIX }),
      3,
      /^vectors of 2 numbers, and --dimension is 3; give/,
    ],
    ['no words', file({ any: MATRIX }), 2, /^expected the words of the rows as a JSON list in the metadata "words"$/],
    [
      'words of other rows',
      file({ __metadata__: { words: '["pen"]' }, any: MATRIX }),
      2,
      /3 rows, and it names 1 words$/,
    ],
    ['words that are no list', file({ __metadata__: { words: '{' }, any: MATRIX }), 2, /"words" cannot be read$/],
    ['two matrices', file({ __metadata__: WORDS, a: MATRIX, b: MATRIX }), 2, /^expected one matrix of float32/],
    [
      'other numbers',
      file({ __metadata__: WORDS, a: { ...MATRIX, dtype: 'F16' } }),
      2,
      /^expected one matrix of float32/,
    ],
    ['too few numbers', file({ __metadata__: WORDS, a: MATRIX }, [1]), 2, /^its numbers do not fill the matrix$/],
    [
      'a number that is none',
      file({ __metadata__: WORDS, a: MATRIX }, [1, Number.NaN, 0, 0, 0, 0]),
      2,
      /"pen" has NaN in it/,
    ],
    [
      'a broken header',
      Buffer.concat([file('x').subarray(0, 8), Buffer.from('{{{')]),
      2,
      /^its header cannot be read$/,
    ],
    ['an early end', Buffer.from('pen 1 2\n3'), 2, /bytes, the header alone ends at/],
    ['nothing', Buffer.alloc(0), 2, /^0 bytes$/],
  ])('refuses %s', async (_, content, width, message) => {
    const refusal = await read(content, { width, name }).catch((error: Error) => error.message);
    expect(refusal).toMatch(/^vectors\.safetensors: /);
    expect(String(refusal).slice('vectors.safetensors: '.length)).toMatch(message);
  });
});

it('puts titles near each other whose words are', () => {
  const titles = new Map([
    [1, 'pen'],
    [2, 'pencil'],
    [3, 'lamp'],
  ]);
  const words = new Map([
    ['pen', Float32Array.of(1, 0.1, 0)],
    ['pencil', Float32Array.of(1, 0, 0.1)],
    ['lamp', Float32Array.of(-1, 0, 0)],
  ]);
  const vectors = titleVectors(titles, [], words);
  const distance = (a: string, b: string) =>
    Math.hypot(...(vectors.get(a) as Float64Array).map((x, k) => x - ((vectors.get(b) as Float64Array)[k] as number)));
  expect(vectors.get('pen')).toHaveLength(3);
  expect(distance('pen', 'pencil')).toBeLessThan(0.5 * distance('pen', 'lamp'));
});
