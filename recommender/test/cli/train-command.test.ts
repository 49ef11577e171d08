import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../support/program';
import { TINY_DATASET, withFolder, writeDataFolder, writeHistoryFolder } from '../support/recommender';

const SMALL = ['--dimension', '4', '--batch-size', '32', '--beam-width', '3', '--epochs', '2'];

function makeDataFolder(root: string): string {
  const data = join(root, 'data');
  mkdirSync(data);
  writeDataFolder(data, TINY_DATASET);
  return data;
}

describe('train', () => {
  it('trains, tests, and leaves a run that recommend can use wherever the data go', () =>
    withFolder(async (root) => {
      const data = makeDataFolder(root);
      const run = join(root, 'run');
      const { output, error } = await runCommand(
        'train',
        '--data',
        data,
        '--out',
        run,
        '--penalty',
        'reweight',
        ...SMALL,
      );
      expect(error).toBeUndefined();
      expect(output).toContain('45 training rows of 15 users');
      expect(output).toMatch(
        /^bear, reweight: epoch 2, cross-entropy [\d.]+, loss [\d.]+, pruned [\d.]+, validation NDCG@10 [\d.]+, /m,
      );
      expect(output).toMatch(/^Best epoch: [12] of 2, of \d+ parameters\.$/m);
      expect(output).toMatch(/^On 9 test rows:$/m);
      expect(output).toMatch(/│ item-to-item counts +│ [\d.]+ │/);
      expect(output).toMatch(/│ this model +│ [\d.]+ │.+│ +(-|[\d.]+ %) \(\d+ of \d+\) │ +[\d.]+ % │/);
      expect(output).toMatch(
        /^(The model ranks better|Warning: Counting ranks as well).+NDCG@3 [\d.]+ against [\d.]+ of "[\w, -]+"/m,
      );
      expect(output).toContain(`Report: ${join(run, 'report.html')}`);
      expect(readFileSync(join(run, 'report.html'), 'utf8')).toContain('<p class="verdict">');
      expect(output).toMatch(/^Training steps: [\d.]+ s, [\d.]+ ms each \(median of the epochs\)\.$/m);
      expect(output).toMatch(/^Beam search of width 3: \d+ users a second, exact scores: \d+ users a second\.$/m);

      renameSync(data, join(root, 'elsewhere'));
      const history = TINY_DATASET.rows[0]?.history as number[];
      const recommended = await runCommand('recommend', '--run', run, '--history', history.join(','));
      expect(recommended.error).toBeUndefined();
      const [, titles = ''] = recommended.output.split('Recommended, with the natural logarithm of the probability:\n');
      const lines = titles.split('\n');
      expect(lines).toHaveLength(3);
      for (const line of lines) {
        const [, score, title, item] = /^ {2}(-\d+\.\d{3}) {2}(.+) {2}\(item (\d+)\)$/.exec(line) ?? [];
        expect(Number(score)).toBeLessThan(0);
        expect(title).toBe(TINY_DATASET.titles.get(Number(item)));
      }
    }));

  it('goes on with a run only when asked to, and with the same options', () =>
    withFolder(async (root) => {
      const train = ['train', '--data', makeDataFolder(root), '--out', join(root, 'run'), ...SMALL];
      expect((await runCommand(...train)).error).toBeUndefined();
      expect((await runCommand(...train)).error).toMatch(/holds a run already; go on with it \(--resume\)/);
      expect((await runCommand(...train, '--resume')).error).toBeUndefined();
      expect((await runCommand(...train, '--resume', '--xi', '2')).error).toMatch(/--xi is 1 there and 2 here/);
    }));

  it('trains on short codes, and goes on with them only', () =>
    withFolder(async (root) => {
      const run = join(root, 'run');
      const train = ['train', '--data', makeDataFolder(root), '--out', run, ...SMALL];
      const { output, error } = await runCommand(...train);
      expect(error).toBeUndefined();
      expect(output).toMatch(/30 items, \d+ tokens of codes, /);
      const other = await runCommand(...train, '--item-tokens', 'titles', '--resume');
      expect(other.error).toMatch(/--item-tokens is codes there and titles here/);
      const history = TINY_DATASET.rows[0]?.history as number[];
      const recommended = await runCommand('recommend', '--run', run, '--history', history.join(','));
      expect(recommended.error).toBeUndefined();
      const titles = [...recommended.output.matchAll(/ {2}(\S.*) {2}\(item (\d+)\)/g)].map(([, title]) => title);
      expect(titles.length).toBeGreaterThanOrEqual(3);
    }));

  it('trains the network alone with --evidence none, and goes on so only', () =>
    withFolder(async (root) => {
      const run = join(root, 'run');
      const train = ['train', '--data', makeDataFolder(root), '--out', run, ...SMALL];
      expect((await runCommand(...train, '--evidence', 'none')).error).toBeUndefined();
      expect((await runCommand(...train, '--resume')).error).toMatch(/--evidence is none there and counts here/);
      expect((await runCommand(...train, '--resume', '--evidence', 'none')).error).toBeUndefined();
      const history = TINY_DATASET.rows[0]?.history as number[];
      expect((await runCommand('recommend', '--run', run, '--history', history.join(','))).error).toBeUndefined();
    }));

  it('runs the protocol of whole histories by itself, and writes their codes again', () =>
    withFolder(async (root) => {
      const data = join(root, 'data');
      mkdirSync(data);
      writeHistoryFolder(data, TINY_DATASET);
      const run = join(root, 'run');
      const small = ['--dimension', '4', '--batch-size', '32', '--epochs', '1'];
      const { output, error } = await runCommand('train', '--data', data, '--out', run, ...small);
      expect(error).toBeUndefined();
      expect(output).toContain(
        '80 training rows of 20 users, 20 validation rows of 20 users, 20 test rows of 20 users',
      );
      expect(output).toMatch(/│ +│ +HR@10 │ +HR@20 │ +NDCG@10 │ +NDCG@20 │/);
      expect(output).toMatch(/Beam search of width 20/);
      const [head = ''] = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
      expect(JSON.parse(head).options).toMatchObject({
        split: 'leave-one-out',
        itemTokens: 'codes',
        beamWidth: 20,
        lossBeamWidth: 20,
        historyPlaces: 20,
      });

      const file = join(root, 'again.json');
      expect((await runCommand('codes', '--run', run, '--out', file)).output).toBe(`Codes of 30 items: ${file}`);
      const again = JSON.parse(readFileSync(file, 'utf8'));
      const given = JSON.parse(readFileSync(join(data, 'Tiny.index.json'), 'utf8'));
      for (const [item, [first, second]] of Object.entries<[string, string]>(given)) {
        const shared = (level: 0 | 1, token: string) =>
          Object.keys(given).filter(
            (other) => given[other][level] === token && again[other][level] !== again[item][level],
          );
        expect([...shared(0, first), ...shared(1, second)]).toEqual([]);
      }

      writeFileSync(file, JSON.stringify({ ...given, 31: ['<a_1>', '<b_1>'] }));
      const other = await runCommand('train', '--data', data, '--out', join(root, 'other'), '--codes', file, ...small);
      expect(other.error).toBeUndefined();
      const resumed = await runCommand('train', '--data', data, '--out', run, '--codes', file, '--resume', ...small);
      expect(resumed.error).toMatch(/cannot go on with other data/);
    }));

  it('starts from word vectors, and goes on with the same ones only', () =>
    withFolder(async (root) => {
      const data = makeDataFolder(root);
      const vectors = join(root, 'vectors.txt');
      writeFileSync(vectors, 'pen 1 2 3 4\npaper 4 3 2 1\nclips 0 1 0 1\n');
      const train = ['train', '--data', data, ...SMALL, '--out', join(root, 'run'), '--word-vectors', vectors];
      const { output, error } = await runCommand(...train);
      expect(error).toBeUndefined();
      expect(output).toMatch(/^ {2}Word vectors: of [123] of the \d+ words of the titles$/m);
      expect((await runCommand(...train, '--resume')).error).toBeUndefined();
      writeFileSync(vectors, 'pen 4 3 2 1\npaper 4 3 2 1\nclips 0 1 0 1\n');
      expect((await runCommand(...train, '--resume')).error).toContain('cannot go on with other data');
      const wider = await runCommand(...train.slice(0, -2), '--word-vectors', vectors, '--dimension', '5');
      expect(wider.error).toBe(`${vectors}, line 1: vectors of 4 numbers, and --dimension is 5; give --dimension 4`);
      const recommended = await runCommand('recommend', '--run', join(root, 'run'), '--history', '1,2');
      expect(recommended.error).toBeUndefined();
    }));

  it('refuses what codes are made from where none are made', () =>
    withFolder(async (root) => {
      const data = makeDataFolder(root);
      const made = ['--code-source', 'titles', ...SMALL, '--out', join(root, 'run')];
      const titles = await runCommand('train', '--data', data, ...made, '--item-tokens', 'titles');
      expect(titles.error).toBe('--code-source has no effect with --item-tokens titles');
      const histories = join(root, 'histories');
      mkdirSync(histories);
      writeHistoryFolder(histories, TINY_DATASET);
      const given = await runCommand('train', '--data', histories, ...made);
      expect(given.error).toBe(`--code-source has no effect with data that have codes, as ${histories}`);
      const untitled = ['train', '--data', histories, ...SMALL, '--out', join(root, 'run'), '--word-vectors', 'any'];
      expect((await runCommand(...untitled)).error).toBe(
        `--word-vectors has no effect with items without titles, as those of ${histories}`,
      );
      expect(existsSync(join(root, 'run'))).toBe(false);
    }));

  it('trains on given codes in place of titles, and refuses those of other items', () =>
    withFolder(async (root) => {
      const data = makeDataFolder(root);
      writeHistoryFolder(root, TINY_DATASET);
      const codes = join(root, 'Tiny.index.json');
      const train = ['train', '--data', data, '--codes', codes, ...SMALL];
      const { output, error } = await runCommand(...train, '--out', join(root, 'run'));
      expect(error).toBeUndefined();
      expect(output).toContain('30 items, 12 tokens of codes');
      for (const kind of ['titles', 'items']) {
        const other = await runCommand(...train, '--out', join(root, 'b'), '--item-tokens', kind);
        expect(other.error).toBe(`--codes has no effect with --item-tokens ${kind}`);
      }
      const sourced = await runCommand(...train, '--out', join(root, 'b'), '--code-source', 'titles');
      expect(sourced.error).toBe('--code-source has no effect with --codes');
      const fewer = Object.entries(JSON.parse(readFileSync(codes, 'utf8'))).slice(1);
      writeFileSync(codes, JSON.stringify(Object.fromEntries(fewer)));
      expect((await runCommand(...train, '--out', join(root, 'b'))).error).toBe(
        `${codes}: there is no code for item 1`,
      );
      expect(existsSync(join(root, 'b'))).toBe(false);
    }));

  it('refuses a data folder without the files, and writes nothing', () =>
    withFolder(async (root) => {
      const run = join(root, 'run');
      const { error } = await runCommand('train', '--data', root, '--out', run);
      expect(error).toBe(`${join(root, 'id2name4Rec.json')}: cannot be read (ENOENT)`);
      expect(existsSync(run)).toBe(false);
    }));

  it('refuses a broken row, by file and line', () =>
    withFolder(async (root) => {
      const data = makeDataFolder(root);
      const file = join(data, 'train.csv');
      writeFileSync(file, 'user_id,item_ids,timestamp\n1,"[1, 2, 3]",5\n1,"[1, 2, 3000]",6\n');
      const { error } = await runCommand('train', '--data', data, '--out', join(root, 'run'));
      expect(error).toBe(`${file}, line 3: item 3000 is not in id2name4Rec.json`);
    }));

  it.each([
    [['--loss', 'hinge'], /--loss <name>.*Allowed choices are sft, msl, bear/],
    [['--penalty', 'none'], /--penalty <kind>.*Allowed choices are hinge, softplus/],
    [['--beam-width', '0'], /--beam-width <n>.*positive whole number/],
    [['--epochs', '1.5'], /--epochs <n>.*positive whole number/],
    [['--xi', '0'], /--xi <scale>.*above 0/],
    [['--lambda', 'much'], /--lambda <factor>.*Expected a number/],
    [['--lambda', '-1'], /--lambda <factor>.*at least 0/],
    [['--item-tokens', 'ids'], /--item-tokens <kind>.*Allowed choices are codes, titles, items/],
    [['--seed', '-1'], /--seed <n>.*from 0 to 2\^32 - 1/],
    [['--dropout', '1'], /--dropout <share>.*\[0, 1\)/],
    [['--weight-decay', '-1'], /--weight-decay <rate>.*at least 0/],
    [['--loss', 'sft', '--penalty', 'hinge'], /^--penalty is for --loss bear only, and --loss is sft$/],
    [['--loss', 'msl', '--lambda', '1'], /^--lambda is for --loss bear only, and --loss is msl$/],
    [['--loss', 'msl', '--threshold-gradient', 'detach'], /^--threshold-gradient is for --loss bear only/],
    [['--loss', 'msl', '--beta', '1'], /^--beta is for --loss apao only, and --loss is msl$/],
    [['--unmasked'], /^--unmasked is for --loss apao only, and --loss is bear$/],
    [['--loss', 'apao', '--xi', '1'], /^--xi is for --loss bear only, and --loss is apao$/],
    [['--loss', 'apao', '--beta', '-1'], /--beta <factor>.*at least 0/],
    [['--xi', '2', '--penalty', 'hinge'], /^--xi has no effect with --penalty hinge$/],
    [['--margin', '1'], /^--margin has no effect with --penalty log-sigmoid$/],
    [
      ['--penalty', 'reweight', '--threshold-gradient', 'flow'],
      /^--threshold-gradient has no effect with --penalty reweight$/,
    ],
    [['--data', ''], /--data <folder>.*Expected a path/],
    [['--out', ''], /--out <run>.*Expected a path/],
    [['--epochs', '0x10'], /--epochs <n>.*positive whole number/],
    [['--epochs', '1e400'], /--epochs <n>.*positive whole number/],
    [['--seed', ' '], /--seed <n>.*from 0 to 2\^32 - 1/],
    [['--xi', 'Infinity'], /--xi <scale>.*above 0/],
    [['--lamda', '1'], /unknown option '--lamda'.*Did you mean --lambda/s],
  ])('refuses %j', async (flags, message) => {
    expect((await runCommand('train', '--data', 'a', '--out', 'b', ...flags)).error).toMatch(message);
  });

  it('refuses what needs too much memory, and writes nothing', () =>
    withFolder(async (root) => {
      const run = join(root, 'run');
      const { error } = await runCommand(
        'train',
        '--data',
        makeDataFolder(root),
        '--out',
        run,
        '--dimension',
        '1000000000',
      );
      expect(error).toMatch(
        /^these options need about \S+ GiB of memory, at most 4\.0 are allowed: .* --dimension 1000000000$/,
      );
      expect(existsSync(run)).toBe(false);
    }));

  it('names a folder that is a file, and data that are a pipe or a device', () =>
    withFolder(async (root) => {
      const file = join(root, 'file');
      writeFileSync(file, 'mine');
      const data = makeDataFolder(root);
      expect((await runCommand('train', '--data', data, '--out', file)).error).toBe(`${file}: is not a folder`);
      expect((await runCommand('recommend', '--run', file, '--history', '1')).error).toBe(`${file}: is not a folder`);
      rmSync(join(data, 'train.csv'));
      symlinkSync('/dev/zero', join(data, 'train.csv'));
      const { error } = await runCommand('train', '--data', data, '--out', join(root, 'run'));
      expect(error).toBe(`${join(data, 'train.csv')}: cannot be read (it is a pipe or a device, not a file)`);
    }));

  it('needs data and a folder for the run', async () => {
    expect((await runCommand('train', '--out', 'b')).error).toMatch(/required option '--data <folder>'/);
    expect((await runCommand('train', '--data', 'a')).error).toMatch(/required option '--out <run>'/);
  });
});

describe('codes', () => {
  it('refuses a run of titles', () =>
    withFolder(async (root) => {
      const run = join(root, 'run');
      const titles = ['--item-tokens', 'titles'];
      await runCommand('train', '--data', makeDataFolder(root), '--out', run, ...SMALL, ...titles);
      const file = join(root, 'codes.json');
      const { error } = await runCommand('codes', '--run', run, '--out', file);
      expect(error).toBe(`${run}: its items have no codes, as it was trained with --item-tokens titles`);
      expect(existsSync(file)).toBe(false);
    }));
});

describe('recommend', () => {
  it.each(['', '1,,2', '1;2', 'pen', '1.5'])('refuses the history %j', async (history) => {
    const { error } = await runCommand('recommend', '--run', 'a', `--history=${history}`);
    expect(error).toMatch(/--history <ids>.*Expected item ids, separated by commas/);
  });

  it('writes out what a terminal would obey in a title', () =>
    withFolder(async (root) => {
      const evil = (title: string) => `${title}\u001b]0;owned\u0007\u009b31m\n  -0.001  Free  (item 1)\u202e`;
      const titles = new Map([...TINY_DATASET.titles].map(([item, title]) => [item, evil(title)]));
      const data = join(root, 'data');
      mkdirSync(data);
      writeDataFolder(data, { ...TINY_DATASET, titles });
      const run = join(root, 'run');
      const trained = await runCommand('train', '--data', data, '--out', run, ...SMALL);
      expect(trained.error).toBeUndefined();
      const history = TINY_DATASET.rows[0]?.history.slice(0, 2) ?? [];
      const { output, error } = await runCommand('recommend', '--run', run, '--history', history.join(','));
      expect(error).toBeUndefined();
      for (const text of [trained.output, output]) expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
      // Two headings, two items of the history and three recommendations: no title made a line of its own.
      expect(output.split('\n')).toHaveLength(7);
      expect(output).toContain('\\u001b]0;owned\\u0007\\u009b31m\\u000a  -0.001  Free');
      // What was trained on is what was there.
      expect(readFileSync(join(run, 'data.json'), 'utf8')).toContain(JSON.stringify(titles.get(1)).slice(1, -1));
    }));

  it('refuses a folder without a run', () =>
    withFolder(async (folder) => {
      const { error } = await runCommand('recommend', '--run', folder, '--history', '1');
      expect(error).toBe(`${folder}: no trained run in it (best.safetensors is missing)`);
    }));
});
