// What can be checked here of workflows that only a public host runs.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './support.js';

const folder = join(repositoryRoot, '.github', 'workflows');
const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));

describe.each(readdirSync(folder))('.github/workflows/%s', (name) => {
  const text = readFileSync(join(folder, name), 'utf8');

  it('says at its head which of its jobs were never run', () => {
    const head = text.slice(0, text.indexOf('\nname:'));
    expect(head).toMatch(/^#\n# Never run:/m);
  });

  it('names each action by a digest', () => {
    const actions = [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action ?? '');
    expect(actions.length).toBeGreaterThan(0);
    expect(actions.filter((action) => !/^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
  });

  it('calls scripts and programs that are there', () => {
    const called = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script ?? '');
    expect(called.filter((script) => !(script in scripts))).toEqual([]);
    const programs = [...text.matchAll(/(?:node|bash) ((?:bin|\.ci|scripts)\/\S+)/g)].map(([, file]) => file ?? '');
    expect(programs.filter((file) => !existsSync(join(repositoryRoot, file)))).toEqual([]);
  });
});
