/** The different words of a title, in lower case and in their order. */
export function wordsOf(title: string): string[] {
  return [...new Set(title.toLowerCase().match(/[\p{L}\p{N}]+/gu))];
}
