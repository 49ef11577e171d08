import { oneLine, print, printable } from '../../src/cli/terminal';

describe('what is printed', () => {
  it.each([
    ['a colour', '\u001b[31mred', '\\u001b[31mred'],
    ['a title of the window', '\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007'],
    ['CSI as one character', '\u009b2J', '\\u009b2J'],
    ['backspaces', 'good\b\b\b\bevil', 'good\\u0008\\u0008\\u0008\\u0008evil'],
    ['a return', 'good\revil', 'good\\u000devil'],
    ['lines', 'one\ntwo\u2028three', 'one\\u000atwo\\u2028three'],
    ['tabulators and DEL', 'a\tb\u007f', 'a\\u0009b\\u007f'],
    ['an override of the direction', 'pen\u202egnp.exe', 'pen\\u202egnp.exe'],
    ['isolates and marks', '\u2066a\u2069\u200f\u061c', '\\u2066a\\u2069\\u200f\\u061c'],
    ['half a surrogate pair', 'a\ud800b', 'a\\ud800b'],
  ])('has %s written out', (_, text, expected) => {
    expect(oneLine(text)).toBe(expected);
  });

  it.each(['Lápiz "2" – 50 €', 'שלום', '日本語', '👩‍👧 ❤️', 'e\u0301', '\\u001b'])(
    'is otherwise as it was: %s',
    (text) => {
      expect(oneLine(text)).toBe(text);
      expect(printable(text)).toBe(text);
    },
  );

  it('keeps its lines', () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    print('one\n\u001btwo\n');
    expect(log.mock.calls).toEqual([['one\n\\u001btwo\n']]);
    log.mockRestore();
  });
});
