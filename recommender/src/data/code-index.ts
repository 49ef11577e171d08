// The `index.json` form in which MiniOneRec and APAO publish the codes of items: an object from item id to a list of tokens
// such as `["<a_159>", "<b_42>", "<c_1>", "<d_0>"]`.

import { writeAtomically } from './atomic-file.js';
import { readJsonObject } from './json-object.js';

/** The code of each item: what the decoder writes in place of the title. Items with the same code share a leaf. */
export type ItemCodes = ReadonlyMap<number, readonly number[]>;

/** For `buildCatalogue`, in place of the tokenizer of titles. */
export function tokenizeByCode(codes: ItemCodes): (titles: readonly string[], ids: readonly number[]) => number[][] {
  return (_, ids) => ids.map((id) => [...(codes.get(id) ?? [])]);
}

/**
 * Reads codes. Tokens get numbers in the order in which they first occur, level by level.
 *
 * @param items that must have a code, and beside which there are none; default those of the file
 * @throws Error that names the file, and the line where it is one: for tokens that are no strings, codes of different lengths,
 *   items that are not in `items`, and items without a code
 */
export function readCodeIndex(file: string, items?: Iterable<number>): ItemCodes {
  const { entries, fail } = readJsonObject(file, 'item id to a list of tokens', 'item');
  const [first, model] = entries[0] as [number, unknown];
  const expected = new Set(items ?? entries.map(([item]) => item));
  const codes = entries.map(([item, code]): [number, string[]] => {
    if (
      !Array.isArray(code) ||
      code.length === 0 ||
      !code.every((token) => typeof token === 'string' && token !== '')
    ) {
      return fail(`the code of item ${item} is not a list of tokens, such as ["<a_1>", "<b_2>"]`, `${item}`);
    }
    if (code.length !== (model as unknown[]).length) {
      fail(
        `codes of unequal length: that of item ${item} has ${code.length} tokens, that of item ${first} ${(model as unknown[]).length}`,
        `${item}`,
      );
    }
    if (!expected.delete(item)) fail(`item ${item} is not in the catalogue`, `${item}`);
    return [item, code];
  });
  const [missing] = expected;
  if (missing !== undefined) {
    const others = expected.size === 1 ? '' : ` (and ${expected.size - 1} others)`;
    fail(`there is no code for item ${missing}${others}`);
  }
  const numbers = new Map<string, number>();
  for (let level = 0; level < (model as unknown[]).length; level++) {
    for (const [, code] of codes) {
      const token = code[level] as string;
      if (!numbers.has(token)) numbers.set(token, numbers.size);
    }
  }
  return new Map(codes.map(([item, code]) => [item, code.map((token) => numbers.get(token) as number)]));
}

/** For what the published names have a letter: more levels than any code has. */
const MOST_LEVELS = 26;

/**
 * Writes codes. A token is named by its level and its place among the tokens of that level: `<b_42>`. Codes that end early are
 * filled up with the token 0 of the levels that they lack, which no other code has there; so all have one length.
 *
 * @throws RangeError for codes of more than 26 tokens
 */
export function writeCodeIndex(file: string, codes: ItemCodes): void {
  const lengths = [...codes.values()].map(({ length }) => length);
  const levels = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (levels > MOST_LEVELS) throw new RangeError(`codes: expected at most ${MOST_LEVELS} tokens each, got ${levels}`);
  const names = Array.from({ length: levels }, (_, level) => {
    const tokens = new Set([...codes.values()].flatMap((code) => code[level] ?? []));
    const isFilled = lengths.some((length) => length <= level);
    const name = (place: number) => `<${String.fromCharCode('a'.charCodeAt(0) + level)}_${place}>`;
    const ascending = [...tokens].sort((a, b) => a - b);
    return { filler: name(0), of: new Map(ascending.map((token, place) => [token, name(place + (isFilled ? 1 : 0))])) };
  });
  const index = Object.fromEntries(
    [...codes].map(([item, code]) => [
      item,
      names.map(({ filler, of }, level) => of.get(code[level] as number) ?? filler),
    ]),
  );
  writeAtomically(file, [`${JSON.stringify(index)}\n`]);
}
