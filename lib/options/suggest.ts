// "Did you mean": the nearest of a few names.

/** Edits (insert, delete, replace a character) that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 0; i < a.length; ++i) {
    const current = [i + 1];
    for (let j = 0; j < b.length; ++j) {
      const replaced = (previous[j] as number) + (a[i] === b[j] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j + 1] as number) + 1, (current[j] as number) + 1));
    }
    previous = current;
  }
  return previous[b.length] as number;
}

// beam_width, beam-width and beamwidth are the same mistake.
function simplify(name: string): string {
  return name.replace(/[-_\s]/g, '').toLowerCase();
}

/** The name that `given` is most probably a misspelling of, or undefined where none is near. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const word = simplify(given.slice(0, 64));
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(word, simplify(name));
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}

/** `one of 'a', 'b'`, with a suggestion where one is near. */
export function expectedNames(given: unknown, names: readonly string[]): string {
  const list = `one of ${names.map((name) => `'${name}'`).join(', ')}`;
  const nearest = typeof given === 'string' ? nearestName(given, names) : undefined;
  return nearest === undefined ? list : `${list} (did you mean '${nearest}'?)`;
}
