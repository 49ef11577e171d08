// From the sequences and items of a caller to a catalogue: every check, and each element read once.
import { copyIndices } from '../loss/arrays.js';
import { fail, refuse } from '../options/errors.js';
import { forEachElement, readMembers } from '../options/reading.js';
import { isArrayOf } from '../options/typed-arrays.js';
import { IdBuffer, idError, isId, riseTo } from './ids.js';
import type { Catalogue, TokenLists } from './trie-arrays.js';

/** Tokens that can be counted by a 32-bit offset. */
const MOST_TOKENS = 2 ** 31 - 1;

export function readCatalogue(sequences: unknown, items: unknown): Catalogue {
  const tokens = new IdBuffer();
  const offsets = new IdBuffer();
  let index = 0;
  const addToken = (token: unknown, place: number) => {
    if (!isId(token)) throw idError('sequences', token, ` in sequence ${index} at ${place}`);
    if (tokens.length === MOST_TOKENS) fail('ERR_BEAR_SHAPE', 'sequences', `at most ${MOST_TOKENS} tokens`, 'more');
    tokens.push(token);
  };
  offsets.push(0);
  const count = forEachElement(sequences, 'sequences', 'sequences', (sequence, next) => {
    index = next;
    const length = forEachElement(sequence, 'sequences', 'arrays of tokens', addToken);
    if (length === 0) refuseEmpty(index);
    offsets.push(tokens.length);
  });
  return { offsets: offsets.take(), tokens: tokens.take(), items: readItems(items, count) };
}

const LIST_NAMES = new Set(['offsets', 'tokens'] as const);

/** The same from sequences that lie in one array. */
export function readLists(lists: unknown, items: unknown): Catalogue {
  const given = readMembers(lists, 'sequences', '{ offsets, tokens }', LIST_NAMES);
  const offsets = copyInt32(given.offsets, 'sequences.offsets');
  const tokens = copyInt32(given.tokens, 'sequences.tokens');
  if (!riseTo(offsets, tokens.length)) {
    fail('ERR_BEAR_SHAPE', 'sequences', `offsets that rise from 0 to the number of tokens, ${tokens.length}`);
  }
  checkSequences({ offsets, tokens });
  return { offsets, tokens, items: readItems(items, offsets.length - 1) };
}

function copyInt32(value: unknown, argument: string): Int32Array {
  if (!isArrayOf(value, 'Int32Array')) refuse('ERR_BEAR_ARGUMENT_TYPE', argument, 'an Int32Array', value);
  return copyIndices(value, argument);
}

function checkSequences({ offsets, tokens }: TokenLists): void {
  for (let index = 0; index + 1 < offsets.length; index++) {
    const [begin, end] = [offsets[index] as number, offsets[index + 1] as number];
    if (begin === end) refuseEmpty(index);
    for (let place = begin; place < end; place++) {
      if (!isId(tokens[place])) throw idError('sequences', tokens[place], ` in sequence ${index} at ${place - begin}`);
    }
  }
}

/** One id for each of `count` sequences, none twice; without `items` the numbers of the sequences. */
function readItems(items: unknown, count: number): Int32Array {
  if (count < 1) fail('ERR_BEAR_SHAPE', 'sequences', 'at least one', 'none');
  if (items === undefined) return Int32Array.from({ length: count }, (_, index) => index);
  const buffer = new IdBuffer();
  const given = forEachElement(items, 'items', 'item ids', (item, index) => {
    if (!isId(item)) throw idError('items', item, ` at index ${index}`);
    buffer.push(item);
  });
  if (given !== count) fail('ERR_BEAR_SHAPE', 'items', `one id for each of the ${count} sequences`, `${given}`);
  const ids = buffer.take();
  const ascending = ids.slice().sort();
  const repeated = ascending.find((id, index) => index > 0 && id === ascending[index - 1]);
  if (repeated !== undefined) refuseRepeated(`item ${repeated} more than once`);
  return ids;
}

function refuseEmpty(index: number): never {
  fail('ERR_BEAR_SHAPE', 'sequences', 'at least one token in each', `sequence ${index} without any`);
}

export function refuseRepeated(received: string): never {
  fail('ERR_BEAR_ITEM_REPEATED', 'items', 'items that occur once', received);
}
