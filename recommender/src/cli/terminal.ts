// What is printed comes from data, too: titles, paths, names of devices. A terminal obeys control characters in it, and
// bidirectional ones make a text look like another.

/**
 * C0, DEL and C1 control characters (ESC and CSI are among them), the line and paragraph separators, the characters that set
 * or override the direction of writing, and halves of surrogate pairs.
 */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\p{Cs}]/gu;

/** As one line for a terminal: what a terminal would obey is written as JavaScript escapes it, `\u001b`. */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same, of a text of several lines. What it quotes must be `oneLine` already, or it may pretend to be a line of its own. */
export function printable(text: string): string {
  return text.split('\n').map(oneLine).join('\n');
}

export function print(text: string): void {
  console.log(printable(text));
}
