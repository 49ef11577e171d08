import type { Row } from './dataset.js';

/**
 * What each user bought, one purchase after the other: each row's history is that of the row before, and its target. Rows
 * that continue each other, as sliding windows do, are put together, so that each purchase is there once. The items of the
 * first history have rows of their own, but for the very first; their time is not known, and the first row's stands for it.
 * Where the rows of a user do not join, there is a sequence for each stretch.
 */
export function userSequences(rows: readonly Row[]): Row[][] {
  const byUser = new Map<number, Row[]>();
  for (const row of [...rows].sort((a, b) => a.time - b.time)) {
    const own = byUser.get(row.user) ?? [];
    own.push(row);
    byUser.set(row.user, own);
  }
  return [...byUser.values()].flatMap((own) => stretches(own).filter(({ length }) => length > 0));
}

function stretches(rows: readonly Row[]): Row[][] {
  const sequences: Row[][] = [];
  let items: number[] = [];
  for (const { history, ...row } of rows) {
    const overlap = longestOverlap(items, history);
    if (overlap === 0) {
      items = history.slice(0, 1);
      sequences.push([]);
    }
    const sequence = sequences.at(-1) as Row[];
    for (const target of [...history.slice(Math.max(overlap, 1)), row.target]) {
      sequence.push({ ...row, history: items, target });
      items = [...items, target];
    }
  }
  return sequences;
}

/** How many items at the end of `items` are the first ones of `history`. */
function longestOverlap(items: readonly number[], history: readonly number[]): number {
  for (let length = Math.min(items.length, history.length); length > 0; length--) {
    if (history.slice(0, length).every((item, index) => item === items[items.length - length + index])) return length;
  }
  return 0;
}

/**
 * Cuts sequences into windows of at most `length` rows, a random number of them in the first: over the epochs each row
 * stands at each place of a window.
 */
export function cutWindows(sequences: readonly Row[][], length: number, integer: (count: number) => number): Row[][] {
  return sequences.flatMap((sequence) => {
    const windows: Row[][] = [];
    for (let start = sequence.length > length ? -integer(length) : 0; start < sequence.length; start += length) {
      windows.push(sequence.slice(Math.max(0, start), start + length));
    }
    return windows;
  });
}
