/** What every public function and class has to say of itself. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const library = resolve(__dirname, '../../lib');
const entries = ['index', 'cuda/index', 'decoding/index', 'adapters/tfjs', 'adapters/jax'];

interface PublicName {
  name: string;
  docstring: string;
}

/** Functions and classes that a file exports, and those that it passes on. */
function publicNames(file: string): PublicName[] {
  const text = readFileSync(file, 'utf8');
  const own = [...text.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?export (?:async )?(?:function|class) (\w+)/g)].map(
    ([, docstring, name]) => ({ name: name as string, docstring: docstring ?? '' }),
  );
  const passedOn = [...text.matchAll(/export \{([^}]+)\} from '([^']+)\.js'/g)].flatMap(([, names, from]) => {
    const wanted = (names as string).split(',').map((name) => name.trim());
    return publicNames(join(dirname(file), `${from}.ts`)).filter(({ name }) => wanted.includes(name));
  });
  return [...own, ...passedOn];
}

const names = entries.flatMap((entry) =>
  publicNames(join(library, `${entry}.ts`)).map(({ name, docstring }) => ({ name: `${entry}: ${name}`, docstring })),
);

describe('the docstring of a public name', () => {
  it('is looked for in every entry', () => {
    for (const entry of entries) expect(names.some(({ name }) => name.startsWith(`${entry}:`))).toBe(true);
  });

  it.each(names)('$name has an example', ({ docstring }) => {
    expect(docstring).toMatch(/@example\n \* \S/);
  });

  it.each(names)('$name names its errors', ({ docstring }) => {
    expect(docstring).toMatch(/@throws|ERR_BEAR_/);
  });
});
