import { cutWindows, userSequences } from '../../src/data/sequences';

const row = (user: number, history: number[], target: number, time: number) => ({ user, history, target, time });

describe('userSequences', () => {
  it('joins the windows of a user, with a row for each purchase but the first', () => {
    const sequences = userSequences([row(1, [2, 3, 4], 5, 20), row(2, [7], 8, 15), row(1, [1, 2, 3], 4, 10)]);
    expect(sequences).toEqual([
      [row(1, [1], 2, 10), row(1, [1, 2], 3, 10), row(1, [1, 2, 3], 4, 10), row(1, [1, 2, 3, 4], 5, 20)],
      [row(2, [7], 8, 15)],
    ]);
  });

  it('bridges rows that are missing as long as histories overlap', () => {
    const [sequence = []] = userSequences([row(1, [1, 2, 3], 4, 10), row(1, [3, 4, 5, 6], 7, 30)]);
    expect(sequence.map(({ target }) => target)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(sequence.at(-1)?.history).toEqual([1, 2, 3, 4, 5, 6]);
    expect(sequence.map(({ time }) => time)).toEqual([10, 10, 10, 30, 30, 30]);
  });

  it('begins a new sequence where the rows of a user do not join', () => {
    const sequences = userSequences([row(1, [1, 2], 3, 10), row(1, [8, 9], 10, 30)]);
    expect(sequences.map((sequence) => sequence.map(({ target }) => target))).toEqual([
      [2, 3],
      [9, 10],
    ]);
  });

  it('keeps when purchases of others are known', () => {
    const [sequence = []] = userSequences([{ ...row(1, [1], 2, 10), knownUntil: 4 }]);
    expect(sequence).toEqual([{ ...row(1, [1], 2, 10), knownUntil: 4 }]);
  });
});

describe('cutWindows', () => {
  const sequence = userSequences([row(1, [1, 2, 3, 4, 5, 6], 7, 10)])[0] as ReturnType<typeof row>[];

  it.each([
    [0, [3, 3]],
    [1, [2, 3, 1]],
    [2, [1, 3, 2]],
  ])('with %i places left out of the first has windows of %j rows, each row once', (offset, lengths) => {
    const windows = cutWindows([sequence], 3, () => offset);
    expect(windows.map(({ length }) => length)).toEqual(lengths);
    expect(windows.flat()).toEqual(sequence);
  });

  it('leaves a sequence whole that fits', () => {
    expect(cutWindows([sequence], 6, () => 3)).toEqual([sequence]);
  });
});
