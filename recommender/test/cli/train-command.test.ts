import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../support/program';
import { TINY_DATASET, withFolder, writeDataFolder } from '../support/recommender';

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
      expect(output).toMatch(/^bear, reweight: epoch 2, loss [\d.]+, pruned [\d.]+, validation NDCG@10 [\d.]+, /m);
      expect(output).toMatch(/^Best epoch: [12] of 2, of \d+ parameters\. On 9 test rows:$/m);
      expect(output).toMatch(/pruning rate [\d.]+ % \(\d+ of \d+ rows whose item is among the exact best 3\)/);
      expect(output).toMatch(/training steps: [\d.]+ s, [\d.]+ % of it the native loss/);
      expect(output).toMatch(/beam search of width 3: \d+ users a second/);

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
      const { output, error } = await runCommand(...train, '--item-tokens', 'codes');
      expect(error).toBeUndefined();
      expect(output).toMatch(/30 items, \d+ tokens of short codes, /);
      const other = await runCommand(...train, '--resume');
      expect(other.error).toMatch(/--item-tokens is codes there and titles here/);
      const history = TINY_DATASET.rows[0]?.history as number[];
      const recommended = await runCommand('recommend', '--run', run, '--history', history.join(','));
      expect(recommended.error).toBeUndefined();
      const titles = [...recommended.output.matchAll(/ {2}(\S.*) {2}\(item (\d+)\)/g)].map(([, title]) => title);
      expect(titles.length).toBeGreaterThanOrEqual(3);
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
    [['--item-tokens', 'ids'], /--item-tokens <kind>.*Allowed choices are titles, codes/],
    [['--seed', '-1'], /--seed <n>.*from 0 to 2\^32 - 1/],
    [['--dropout', '1'], /--dropout <share>.*\[0, 1\)/],
    [['--weight-decay', '-1'], /--weight-decay <rate>.*at least 0/],
    [['--lamda', '1'], /unknown option '--lamda'.*Did you mean --lambda/s],
  ])('refuses %j', async (flags, message) => {
    expect((await runCommand('train', '--data', 'a', '--out', 'b', ...flags)).error).toMatch(message);
  });

  it('needs data and a folder for the run', async () => {
    expect((await runCommand('train', '--out', 'b')).error).toMatch(/required option '--data <folder>'/);
    expect((await runCommand('train', '--data', 'a')).error).toMatch(/required option '--out <run>'/);
  });
});

describe('recommend', () => {
  it.each(['', '1,,2', '1;2', 'pen', '1.5'])('refuses the history %j', async (history) => {
    const { error } = await runCommand('recommend', '--run', 'a', `--history=${history}`);
    expect(error).toMatch(/--history <ids>.*Expected item ids, separated by commas/);
  });

  it('refuses a folder without a run', () =>
    withFolder(async (folder) => {
      const { error } = await runCommand('recommend', '--run', folder, '--history', '1');
      expect(error).toBe(`${folder}: no trained run in it (best.safetensors is missing)`);
    }));
});
