/** The table of options, and what repeats it: the documents, the types and the addon. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../lib/native/backend';
import { CALL_FIELDS } from '../../lib/native/call-fields';
import { CROSSING_OPTIONS, OPTIONS, type OptionRow } from '../../lib/options/option-table';
import { PENALTIES } from '../../lib/options/options';

const rows: [string, OptionRow][] = Object.entries(OPTIONS);
const read = (file: string) => readFileSync(join(__dirname, '..', '..', file), 'utf8');

/** A value as the documents have it. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `\`${typeof value === 'string' ? `'${value}'` : value}\``;
}

/** For which penalties the option acts, where it is not for all of them. */
function limits({ actsFor }: OptionRow): string {
  const others = PENALTIES.filter((penalty) => penalty !== 'none' && actsFor?.includes(penalty) === false);
  if (actsFor === undefined || others.length === 0) return '';
  const names = (penalties: readonly string[]) => penalties.map((penalty) => `\`${penalty}\``).join(', ');
  return actsFor.length <= 2 ? `; only for ${names(actsFor)}` : `; not for ${names(others)}`;
}

function documented([name, row]: [string, OptionRow]): string {
  const byDefault = 'byDefault' in row ? shown(row.byDefault) : row.otherwise;
  return `| \`${name}\` | ${row.values} | ${byDefault} | ${row.meaning}${limits(row)} |`;
}

describe('docs/options.md', () => {
  it('has the table, row for row', () => {
    const [, section] = read('docs/options.md').split('\n## ');
    const lines = (section ?? '').split('\n').filter((line) => line.startsWith('| `'));
    expect(lines).toEqual(rows.map(documented));
  });
});

describe('the docstring of each option', () => {
  // From the interface on: parts of options have members of the same names.
  const [, text] = read('lib/options/options.ts').split('export interface BearLossOptions');
  const docstring = (name: string) =>
    text?.match(new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*${name}\\?:`))?.[1] ?? '';

  it.each(rows.filter(([, row]) => row.byDefault !== undefined))('%s has its default', (name, { byDefault }) => {
    const expected = typeof byDefault === 'string' ? `'${byDefault}'` : String(byDefault);
    expect(docstring(name)).toContain(`@default ${expected}\n`);
  });

  it.each(rows.filter(([, row]) => row.actsFor !== undefined))('%s says for which penalties it acts', (name, row) => {
    const others = PENALTIES.filter((penalty) => row.actsFor?.includes(penalty) === false && penalty !== 'none');
    const named = [...docstring(name).matchAll(/(?:only|not) (?:for|with) ([^.]*)/gi)].flatMap(([, list]) =>
      PENALTIES.filter((penalty) => list?.includes(`\`${penalty}\``)),
    );
    const isWholeList = (row.actsFor?.length ?? 0) <= 2;
    expect(named.sort()).toEqual([...(isWholeList ? (row.actsFor ?? []) : others)].sort());
  });
});

describe('the numbers of a call', () => {
  const places = Array.from(native().callFields.numbers);

  it('have the same place in the addon as in the table', () => {
    expect(places).toEqual(CALL_FIELDS.numbers);
    const first = places.length - CROSSING_OPTIONS.length;
    expect(CROSSING_OPTIONS.map(({ name }) => places.indexOf(name) - first)).toEqual([...CROSSING_OPTIONS.keys()]);
  });

  it('are each there once', () => {
    expect(new Set(places).size).toBe(places.length);
  });
});
